package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// unreadables are the codes with which a file of a part, or of an aggregate inside one, cannot be read. A disk that was full or
// failed leaves such files.
func unreadables() map[int32]bool {
	return map[int32]bool{
		32:  true, // ATTEMPT_TO_READ_AFTER_EOF
		33:  true, // CANNOT_READ_ALL_DATA
		40:  true, // CHECKSUM_DOESNT_MATCH
		74:  true, // CANNOT_READ_FROM_FILE_DESCRIPTOR
		107: true, // FILE_DOESNT_EXIST
		117: true, // INCORRECT_DATA
		226: true, // NO_FILE_IN_DATA_PART
		228: true, // BAD_SIZE_OF_FILE_IN_DATA_PART
		246: true, // CORRUPTED_DATA
		271: true, // CANNOT_DECOMPRESS
		432: true, // UNKNOWN_CODEC
	}
}

// unreadable tells whether files of a part cannot be read.
func unreadable(err error) bool {
	said := exception(err)
	return said != nil && unreadables()[said.Code]
}

// fromRows is a context whose queries read the rows, and no aggregate.
func fromRows(ctx context.Context) context.Context {
	return withSettings(ctx, clickhouse.Settings{"optimize_use_projections": 0})
}

// checkPatience bounds the check of a part, which reads all of it.
const checkPatience = 10 * time.Second

// brokenPart finds the part in what the server says of an aggregate in it, a path that has "/all_194_215_4/positions.proj/".
const brokenPart = "/([A-Za-z0-9_-]+)/[A-Za-z0-9_]+[.]proj/"

// checkPart has the server look through the part that it could not read, whose path it said. It leaves out from then on what is broken
// in it, for readers and merges alike.
func checkPart(ctx context.Context, conn driver.Conn, table, said string) error {
	part := regexp.MustCompile(brokenPart).FindStringSubmatch(said)
	if part == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	return explain("check the part "+part[1]+" of "+table, conn.Exec(ctx, "CHECK TABLE "+table+" PART "+literal(part[1])))
}

// mendAggregates has the aggregates in the parts of a table made anew from the rows, after one could not be read; said is what the
// server said of it. It takes one statement, which the server carries out whatever happens to us. All are cleared first: to make them
// only where they are missing would take over files that are broken too, and that nobody has read yet, as empty ones, and figures
// would be wrong in silence. Meanwhile readers read the rows.
func mendAggregates(ctx context.Context, conn driver.Conn, table, said string) error {
	checked := checkPart(ctx, conn, table, said) // The rest can do without.
	database, name, _ := strings.Cut(table, ".")
	where := " WHERE database = " + literal(database) + " AND table = " + literal(name)
	var running uint64
	err := conn.QueryRow(ctx, "SELECT count() FROM system.mutations"+where+
		" AND NOT is_done AND command LIKE '%MATERIALIZE PROJECTION%'").Scan(&running)
	if err != nil || running > 0 {
		return explain("look whether the aggregates of "+table+" are being made anew", err)
	}
	var clears, fills []string
	rows, err := conn.Query(ctx, "SELECT name FROM system.projections"+where)
	if err := each(rows, err, func(rows driver.Rows) error {
		var aggregate string
		err := rows.Scan(&aggregate)
		clears = append(clears, "CLEAR PROJECTION "+identifier(aggregate))
		fills = append(fills, "MATERIALIZE PROJECTION "+identifier(aggregate))
		return err //nolint:wrapcheck // Explained below.
	}); err != nil {
		return explain("list the aggregates of "+table, err)
	}
	if len(clears) == 0 {
		return fmt.Errorf("ClickHouse lists no aggregates of %s: make them by hand, with ALTER TABLE … MATERIALIZE PROJECTION", table)
	}
	err = conn.Exec(ctx, "ALTER TABLE "+table+" "+strings.Join(append(clears, fills...), ", ")+" SETTINGS mutations_sync = 0")
	return errors.Join(explain("make the aggregates of "+table+" anew", err), checked)
}

// mend mends the aggregates, and tells of it. That it fails is no reason not to go on: the rows are there.
func (s *Store) mend(ctx context.Context, table, said string) {
	s.options.Logger.WarnContext(ctx, "an aggregate inside a part of the table cannot be read; the rows are read instead, "+
		"and the aggregates are made anew from them", "table", table, "said", said)
	if err := mendAggregates(ctx, s.conn, table, said); err != nil {
		s.options.Logger.WarnContext(ctx, "the aggregates could not be made anew; it is tried again when one is read next",
			"table", table, "error", err)
	}
}

// mendOthers mends what a start of the server, readers or merges found: of an aggregate that we do not read ourselves only the server
// tells, where it lets us ask. What it said of a part that is gone, as mended ones are, is past.
func (s *Store) mendOthers(ctx context.Context, g Generation) {
	table := g.Table(s.projection.Rows().Name)
	database, name, _ := strings.Cut(table, ".")
	where := " WHERE active AND database = " + literal(database) + " AND table = " + literal(name)
	codes := make([]string, 0, len(unreadables()))
	for code := range unreadables() {
		codes = append(codes, strconv.Itoa(int(code)))
	}
	for _, sql := range []string{
		"SELECT max(exception) FROM system.projection_parts" + where + " AND is_broken",
		"SELECT max(last_error_message) FROM system.errors WHERE code IN (" + strings.Join(codes, ", ") + ")" +
			" AND position(last_error_message, " + literal(" in table "+table+" ") + ") > 0" +
			" AND extract(last_error_message, '" + brokenPart + "') IN (SELECT name FROM system.parts" + where + ")",
	} {
		var said string
		switch err := s.conn.QueryRow(ctx, sql).Scan(&said); {
		case err != nil:
			s.options.Logger.DebugContext(ctx, "no word from ClickHouse of parts that it cannot read", "error", err)
		case said != "":
			s.mend(ctx, table, said)
			return
		}
	}
}
