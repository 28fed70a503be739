package clickhouse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// identifier quotes a name.
func identifier(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

// literal quotes a text.
func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// literals are quoted texts, between commas.
func literals(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = literal(text)
	}
	return strings.Join(quoted, ", ")
}

// fence is the name of the table that says under which epoch each partition's rows are taken.
func (g Generation) fence() string { return g.Database + ".fence" }

// key is a partition's in the table fence.
func (g Generation) key(p eventlog.TopicPartition) string {
	return fmt.Sprintf("g%d/%s/%d", g.Number, p.Topic, p.Partition) // As the constraint puts it together.
}

// mark is what the log_comment of an insert has for each of its partitions, before the epoch.
func (g Generation) mark(p eventlog.TopicPartition) string {
	return fmt.Sprintf(" %s/%s:", g.Database, g.key(p))
}

// fenceDDL makes the table fence. It is in memory: after a restart of the server it is empty, which refuses everybody until
// they have secured their partitions anew, and what an epoch that was acknowledged and lost would do cannot happen. What is not
// there is epoch 0, whatever the server's profile says of joins.
func fenceDDL(database string) string {
	fence := literal(database + ".fence")
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s.fence (`key` String, epoch Int64,"+
		" CONSTRAINT up CHECK epoch > joinGet(%s, 'epoch', `key`)) ENGINE = Join(ANY, LEFT, `key`)"+
		" SETTINGS join_any_take_last_row = 1, persistent = 0, join_use_nulls = 0"+
		" COMMENT 'Under which epoch each partition''s rows are taken; empty after a start of the server.'", database, fence)
}

// durable are the settings under which an acknowledged row, and a merged one, survives the loss of power. Rows are refused before the disk
// is full, not when it is: an engine was seen to acknowledge an insert that no room was left for on its way.
const durable = "fsync_after_insert = 1, fsync_part_directory = 1," +
	" min_rows_to_fsync_after_merge = 1, min_compressed_bytes_to_fsync_after_merge = 1," +
	" min_free_disk_bytes_to_perform_insert = 67108864"

// rowsDDL makes the table of rows of a generation: with it, that a row comes from the owner, and how far it is.
func rowsDDL(g Generation, table Table, comment string) string {
	fence := fmt.Sprintf("CONSTRAINT %s CHECK epoch = joinGetOrNull(%s, 'epoch', concat(%s, topic, '/', toString(`partition`)))",
		fenceConstraint, literal(g.fence()), literal(fmt.Sprintf("g%d/", g.Number)))
	return tableDDL(g, table, "MergeTree", slices.Concat(table.Columns, []string{
		"topic LowCardinality(String)", "`partition` Int32", "kafka_offset Int64", "epoch Int64", fence,
		"PROJECTION positions (SELECT topic, `partition`, max(kafka_offset), count() GROUP BY topic, `partition`)",
	}, table.Parts)) + " COMMENT " + literal(comment)
}

// asideDDL makes the table of an aside of a generation.
func asideDDL(g Generation, table Table) string {
	return tableDDL(g, table, table.Engine, slices.Concat(table.Columns, table.Parts))
}

func tableDDL(g Generation, table Table, engine string, parts []string) string {
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s (%s) ENGINE = %s ORDER BY (%s) SETTINGS %s",
		g.Table(table.Name), strings.Join(parts, ", "), engine, table.OrderBy, durable)
}

// viewDDL makes a view, or makes it anew.
func viewDDL(database string, view View) string {
	name := database + "." + identifier(view.Name)
	if len(view.Columns) > 0 {
		name += " (" + strings.Join(view.Columns, ", ") + ")"
	}
	return fmt.Sprintf("CREATE OR REPLACE VIEW %s AS (%s) COMMENT %s", name, view.Select, literal(view.Comment))
}
