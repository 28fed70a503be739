package chaos

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// tellClickHouse logs what it says of rows that a run found wrong: whether they are there and its aggregates differ, or are gone.
func (c *chaos) tellClickHouse() {
	for _, what := range []string{
		"SELECT table, name, reason FROM system.detached_parts WHERE database = 'revenue'",
		"SELECT table, command, is_done, latest_fail_reason FROM system.mutations WHERE database = 'revenue'",
		"SELECT table, parent_name, name, exception FROM system.projection_parts WHERE active AND is_broken",
	} {
		c.Logf("ClickHouse, %s\n%s", what, c.askClickHouse(what))
	}
	tables := c.askClickHouse("SELECT name FROM system.tables WHERE database = 'revenue' AND name LIKE 'events_g%'")
	for table := range strings.FieldsSeq(tables) {
		positions := "SELECT topic, `partition`, max(kafka_offset), count() FROM revenue." + table + " GROUP BY ALL ORDER BY ALL"
		aggregate, rows := c.askClickHouse(positions), c.askClickHouse(positions+" SETTINGS optimize_use_projections = 0")
		if aggregate != rows {
			c.Logf("revenue.%s by its aggregate:\n%s\nby its rows:\n%s", table, aggregate, rows)
		}
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
	defer response.Body.Close() //nolint:errcheck // it is only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
