package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// hasClickHouse tells whether a ClickHouse is configured: what is kept there can be left out, if it is said.
func (a *app) hasClickHouse() bool { return a.settings.get("clickhouse.url") != "" }

const noClickHouse = "no ClickHouse is configured: set TRIBUTARY_CLICKHOUSE_URL to http://user:password@host:8123"

// clickhouse is a connection pool as the settings say, not dialled yet.
func (a *app) clickhouse(ctx context.Context) (driver.Conn, error) {
	if !a.hasClickHouse() {
		return nil, usagef("%s%s", noClickHouse, devHint)
	}
	if address := a.settings.get("clickhouse.url"); !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		return nil, usagef("TRIBUTARY_CLICKHOUSE_URL (%s) cannot be used: want http:// or https://, as in http://user:password@host:8123",
			a.settings.masked("clickhouse.url"))
	}
	ca, cert, key := a.settings.get("clickhouse.ca_file"), a.settings.get("clickhouse.cert_file"), a.settings.get("clickhouse.key_file")
	var config *tls.Config
	if ca != "" || cert != "" || key != "" {
		var err error
		if config, err = eventlog.LoadTLS(ca, cert, key); err != nil {
			return nil, usageError{err}
		}
		if !strings.HasPrefix(a.settings.get("clickhouse.url"), "https://") {
			return nil, usagef("clickhouse.ca_file and its like are for an https:// URL, and TRIBUTARY_CLICKHOUSE_URL is %s",
				a.settings.masked("clickhouse.url"))
		}
	}
	conn, err := clickhouse.OpenTLS(ctx, a.settings.get("clickhouse.url"), config)
	if err != nil {
		return nil, usagef("TRIBUTARY_CLICKHOUSE_URL (%s) cannot be used: %w", a.settings.masked("clickhouse.url"), rootCause(err))
	}
	return conn, nil
}

// openClickHouse is a pool whose server answers.
func (a *app) openClickHouse(ctx context.Context) (driver.Conn, error) {
	conn, err := a.clickhouse(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	if err := conn.Ping(ctx); err != nil {
		return nil, errors.Join(a.clickhouseUnreachable(err), conn.Close())
	}
	return conn, nil
}

// withClickHouse runs a read of ClickHouse, and says what to do where it does not answer, or has no tables of ours.
func (a *app) withClickHouse(ctx context.Context, read func(driver.Conn) error) error {
	conn, err := a.openClickHouse(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it was only read
	return a.explainClickHouse(read(conn))
}

// explainClickHouse tells errors of a ClickHouse that is away, or lacks our tables, from others.
func (a *app) explainClickHouse(err error) error {
	const unknownTable, unknownDatabase, thrown = 60, 81, 395
	if refused, ok := errors.AsType[*driver.Exception](err); ok {
		if refused.Code == unknownTable || refused.Code == unknownDatabase {
			return errors.New(`the tables are not there: "tributary migrate" creates them`)
		}
		if refused.Code == thrown { // by a view of ours, which says why
			return errors.New(strings.TrimSuffix(firstSentence(refused.Message), ": while executing 'FUNCTION throwIf"))
		}
		return err
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return a.clickhouseUnreachable(err)
	}
	return err
}

func (a *app) clickhouseUnreachable(err error) error {
	place := a.settings.masked("clickhouse.url")
	if address, parseErr := url.Parse(a.settings.get("clickhouse.url")); parseErr == nil && address.Host != "" {
		place = address.Host
	}
	if refused, ok := errors.AsType[*driver.Exception](err); ok {
		return unreachableError{fmt.Errorf(
			"the ClickHouse at %s refuses us (%s): are user, password and database in TRIBUTARY_CLICKHOUSE_URL right?",
			place, firstSentence(refused.Message))}
	}
	return unreachableError{fmt.Errorf("no ClickHouse answers at %s (%w): is it running, and TRIBUTARY_CLICKHOUSE_URL right?",
		place, rootCause(err))}
}

// firstSentence is what people need of a server's long message.
func firstSentence(message string) string {
	for i, r := range message {
		if r == '.' && (i+1 == len(message) || message[i+1] == ' ') || r == '\n' {
			return message[:i]
		}
	}
	return message
}
