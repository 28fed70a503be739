package clickhouse

import (
	"context"
	"crypto/tls"
	"fmt"
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
	if config != nil {
		options.TLS = config
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		return nil, fmt.Errorf("connect to ClickHouse: %w", err)
	}
	return conn, nil
}
