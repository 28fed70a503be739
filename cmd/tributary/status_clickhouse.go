package main

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// clickhouseStatus is what is known of ClickHouse, as --json prints it.
type clickhouseStatus struct {
	Address string `json:"address"`
	Version string `json:"version"`
	// Parts, rows and bytes are those of our tables.
	Parts uint64 `json:"parts"`
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
}

func (s *clickhouseStatus) String() string {
	const mega = 1e6
	return fmt.Sprintf("%s  version %s, %s rows in %d parts, %.1f MB",
		s.Address, s.Version, thousands(strconv.FormatUint(s.Rows, 10)), s.Parts, float64(s.Bytes)/mega)
}

// statusOfClickHouse asks it, where one is configured.
func (a *app) statusOfClickHouse(ctx context.Context, report *statusReport) error {
	if !a.hasClickHouse() {
		return nil
	}
	return a.withClickHouse(ctx, func(conn clickhouse.Conn) error {
		found := clickhouseStatus{Address: a.settings.masked("clickhouse.url")}
		if address, err := url.Parse(a.settings.get("clickhouse.url")); err == nil {
			found.Address = address.Host
		}
		databases := make([]string, 0, 1)
		for _, definition := range clickhouseDefinitions() {
			databases = append(databases, definition.Name)
		}
		err := conn.QueryRow(ctx, `SELECT version(), count(), sum(rows), sum(bytes_on_disk) FROM system.parts
			WHERE active AND has(?, database)`, databases).Scan(&found.Version, &found.Parts, &found.Rows, &found.Bytes)
		if err != nil {
			return fmt.Errorf("ask ClickHouse for its parts: %w", err)
		}
		report.ClickHouse = &found
		return nil
	})
}
