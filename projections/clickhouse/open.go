package clickhouse

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net/url"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Open makes a connection pool over HTTP from a URL such as "http://user:password@host:8123", or https. It dials nothing.
func Open(ctx context.Context, address string) (driver.Conn, error) {
	return OpenTLS(ctx, address, nil)
}

// OpenTLS is Open, for https with certificates of one's own; config may be nil.
func OpenTLS(_ context.Context, address string, config *tls.Config) (driver.Conn, error) {
	parsed, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read the URL of ClickHouse: %w", err)
	}
	if parsed.Scheme == "https" { // clickhouse-go wants it said twice
		query := parsed.Query()
		query.Set("secure", "true")
		parsed.RawQuery = query.Encode()
	}
	options, err := clickhouse.ParseDSN(parsed.String())
	if err != nil {
		return nil, fmt.Errorf("read the URL of ClickHouse: %w", err)
	}
	options.Protocol = clickhouse.HTTP
	maps.Copy(options.Settings, pinned())
	if config != nil {
		options.TLS = config
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	return conn, nil
}

// pinned are settings that a user's profile may have otherwise, and that would change what an answer means.
func pinned() clickhouse.Settings {
	return clickhouse.Settings{
		// An insert is answered when its rows are in, and an error is an answer of its own: with headers ahead of it, it
		// would be the body of one that says 200.
		"async_insert":                  0,
		"send_progress_in_http_headers": 0,
		// What is read is what is there now, and all of it.
		"use_query_cache":        0,
		"limit":                  0,
		"offset":                 0,
		"read_overflow_mode":     "throw",
		"result_overflow_mode":   "throw",
		"group_by_overflow_mode": "throw",
		// Types, and how values read, are the same everywhere; aggregates answer only what is asked as they were made.
		"join_use_nulls":                       0,
		"aggregate_functions_null_for_empty":   0,
		"output_format_decimal_trailing_zeros": 0,
		"date_time_output_format":              "simple",
		"date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": 0,
	}
}
