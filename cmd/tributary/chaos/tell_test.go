package chaos

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// tellClickHouse logs what a store says of its rows that a run found wrong: whether they are there and its aggregates differ, or are gone.
func (c *chaos) tellClickHouse() {
	for _, what := range []string{
		`SELECT table, name, reason FROM system.detached_parts WHERE database = 'revenue' FORMAT PrettyCompactMonoBlock`,
		`SELECT table, command, is_done, latest_fail_reason FROM system.mutations WHERE database = 'revenue' FORMAT PrettyCompactMonoBlock`,
		`SELECT table, name, parent_name, is_broken, exception FROM system.projection_parts WHERE active AND is_broken FORMAT PrettyCompactMonoBlock`,
	} {
		c.Logf("ClickHouse, %s\n%s", what, c.askClickHouse(what))
	}
	for table := range strings.FieldsSeq(c.askClickHouse(`SELECT name FROM system.tables WHERE database = 'revenue' AND name LIKE 'events_g%'`)) {
		positions := "SELECT topic, `partition`, max(kafka_offset) AS top, count() AS rows FROM revenue." + table + " GROUP BY ALL ORDER BY ALL"
		aggregate, rows := c.askClickHouse(positions), c.askClickHouse(positions+" SETTINGS optimize_use_projections = 0")
		if aggregate != rows {
			c.Logf("revenue.%s by its aggregate:\n%s\nby its rows:\n%s", table, aggregate, rows)
		}
		c.Logf("parts of revenue.%s:\n%s", table, c.askClickHouse("SELECT event_time_microseconds, event_type, part_name, rows, error, merged_from, exception FROM system.part_log"+
			" WHERE database = 'revenue' AND table = '"+table+"' AND event_time > now() - 600 ORDER BY event_time_microseconds FORMAT TSV"))
		c.Logf("inserts of revenue.%s:\n%s", table, c.askClickHouse("SELECT event_time_microseconds, type, written_rows, log_comment, left(exception, 200) FROM system.query_log"+
			" WHERE query LIKE 'INSERT INTO revenue."+table+"%' AND event_time > now() - 600 ORDER BY event_time_microseconds FORMAT TSV"))
	}
}

func (c *chaos) askClickHouse(sql string) string {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Context()), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.stack.clickhouse.URL(), strings.NewReader(sql))
	if err != nil {
		return err.Error()
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
