package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// dialPatience is how long a command waits for a server that may not be there.
const dialPatience = 5 * time.Second

const devHint = `; with "tributary dev" running here: set -a; . .tributary/endpoints.env; set +a`

// kafka is how the settings say to reach the brokers. It dials nothing.
func (a *app) kafka(logger *slog.Logger) (eventlog.Config, error) {
	config := eventlog.Config{
		Logger: logger,
		SASL: eventlog.SASL{
			Mechanism: a.settings.get("kafka.sasl_mechanism"),
			Username:  a.settings.get("kafka.sasl_username"),
			Password:  a.settings.get("kafka.sasl_password"),
		},
	}
	brokers := a.settings.get("kafka.brokers")
	if brokers == "" {
		return config, usagef("no Kafka brokers are configured: set TRIBUTARY_KAFKA_BROKERS to host:port[,host:port…]%s", devHint)
	}
	for broker := range strings.SplitSeq(brokers, ",") {
		config.Brokers = append(config.Brokers, strings.TrimSpace(broker))
	}
	var err error
	if config.TLS, err = a.kafkaTLS(); err != nil {
		return config, usageError{err}
	}
	if err := config.Validate(); err != nil {
		return config, usageError{err}
	}
	return config, nil
}

// kafkaTLS is on when it is asked for, or when a certificate is named.
func (a *app) kafkaTLS() (*tls.Config, error) {
	ca, cert, key := a.settings.get("kafka.ca_file"), a.settings.get("kafka.cert_file"), a.settings.get("kafka.key_file")
	if a.settings.get("kafka.tls") != "true" && ca == "" && cert == "" {
		return nil, nil //nolint:nilnil // no encryption is a valid choice
	}
	return eventlog.LoadTLS(ca, cert, key)
}

// openKafka is a connection for administration whose brokers answer.
func (a *app) openKafka(ctx context.Context) (*eventlog.Admin, error) {
	config, err := a.kafka(a.logger(slog.LevelError))
	if err != nil {
		return nil, err
	}
	if err := a.dialAny(ctx, config.Brokers); err != nil {
		return nil, a.kafkaUnreachable(err)
	}
	admin, err := eventlog.NewAdmin(config)
	if err != nil {
		return nil, err
	}
	if err := admin.Ping(ctx); err != nil {
		admin.Close()
		return nil, err
	}
	return admin, nil
}

// dialAny is nil as soon as one of the addresses takes connections: a command should say in a moment that nobody is there,
// which a Kafka client, made to wait for brokers to come back, would not.
func (a *app) dialAny(ctx context.Context, addresses []string) error {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	var dialer net.Dialer
	var failures []error
	for _, address := range addresses {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close() // it was for the answer alone
			return nil
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// openPostgres is a pool whose server answers.
func (a *app) openPostgres(ctx context.Context) (*pgxpool.Pool, error) {
	pool, err := a.postgres(ctx)
	if err != nil {
		return nil, err
	}
	pingCtx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	if err := pool.Ping(pingCtx); err != nil {
		pool.Close()
		return nil, a.postgresUnreachable(err)
	}
	return pool, nil
}

// postgres is a pool as the settings say, not dialled yet.
func (a *app) postgres(ctx context.Context) (*pgxpool.Pool, error) {
	url := a.settings.get("postgres.url")
	if url == "" {
		return nil, usagef("no Postgres is configured: set TRIBUTARY_POSTGRES_URL to postgres://user:password@host:port/database%s", devHint)
	}
	pool, err := postgres.Open(ctx, url)
	if err != nil {
		return nil, usagef("TRIBUTARY_POSTGRES_URL (%s) cannot be used: %w", a.settings.masked("postgres.url"), rootCause(err))
	}
	return pool, nil
}

// explainTables says what to do where Postgres has no tables of ours, or those of a version before this one.
func explainTables(err error) error {
	const (
		undefinedTable, undefinedSchema    = "42P01", "3F000"
		undefinedColumn, undefinedFunction = "42703", "42883"
	)
	refused, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch refused.Code {
	case undefinedTable, undefinedSchema:
		return errors.New("the tables are not there: \"tributary migrate\" creates them")
	case undefinedColumn, undefinedFunction:
		return fmt.Errorf("%w: the tables are of an older version: run \"tributary migrate\"", err)
	default:
		return err
	}
}

// logEnds are the offsets past the last committed record of each partition.
func (a *app) logEnds(ctx context.Context) (map[eventlog.TopicPartition]int64, error) {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return admin.EndOffsets(ctx)
}
