package peers

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

//go:embed connect/pom.xml
var connectPOM []byte

//go:embed connect/jars.sha256
var connectHashes []byte

//go:embed connect/row.json
var connectRow string

//go:embed jdbc.sql
var jdbcDDL string

// JDBCSink is Debezium's JDBC sink on Kafka Connect, which upserts entries into Postgres: no balances, no offsets beside the rows. It is
// at-least-once, and what comes again after a crash, or from a producer, overwrites itself.
type JDBCSink struct {
	// Tasks share the partitions, each with a connection; 0 means 2.
	Tasks int
}

// Run reads a prepared topic of entries to its end.
func (s JDBCSink) Run(ctx context.Context, on Servers, from Prepared) (_ Outcome, err error) {
	conn, err := freshSchema(ctx, on.Postgres, jdbcDDL)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	sink, err := s.start(ctx, on, from.Topic)
	if err != nil {
		return Outcome{}, err
	}
	defer func() { err = errors.Join(err, stop(ctx, sink)) }()
	// The clock starts with the first rows that are in: Java's start, the connector's and the group's are no part of it.
	var first int64
	err = awaitSink(ctx, sink, func(ctx context.Context) (bool, error) {
		first, err = count(ctx, conn)
		return first > 0, err
	})
	if err != nil {
		return Outcome{}, err
	}
	started := time.Now()
	for partition, last := range from.last {
		var row entryRow
		if err := json.Unmarshal(last.Value, &row); err != nil {
			return Outcome{}, fmt.Errorf("the last row of partition %d: %w", partition, err)
		}
		// Rows of a partition are written in order, so the last tells of all, and asking for it costs nothing.
		err = awaitSink(ctx, sink, func(ctx context.Context) (in bool, err error) {
			asked := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM peer_jdbc.entries WHERE event_id = $1 AND entry = $2)`, row.EventID, row.Entry)
			if err := asked.Scan(&in); err != nil {
				return false, fmt.Errorf("ask for it: %w", err)
			}
			return in, nil
		})
		if err != nil {
			return Outcome{}, fmt.Errorf("await the last row of partition %d: %w", partition, err)
		}
	}
	outcome := after(from, first, time.Since(started).Seconds())
	if rows, err := count(ctx, conn); err != nil || rows != from.Rows {
		return Outcome{}, errors.Join(err, fmt.Errorf("the JDBC sink has written %d rows of %d", rows, from.Rows))
	}
	return outcome, nil
}

func count(ctx context.Context, conn *pgx.Conn) (rows int64, err error) {
	if err := conn.QueryRow(ctx, `SELECT count(*) FROM peer_jdbc.entries`).Scan(&rows); err != nil {
		return 0, fmt.Errorf("count what the JDBC sink has written: %w", err)
	}
	return rows, nil
}

// killed is what Connect logs when a task has failed for good; the worker itself goes on.
const killed = "Task is being killed and will not recover"

// awaitSink polls until done says so, or the sink has failed.
func awaitSink(ctx context.Context, sink *devstack.Java, done func(context.Context) (bool, error)) error {
	return while(ctx, sink, func(ctx context.Context) (bool, error) {
		log, err := os.ReadFile(sink.Log())
		if err != nil {
			return false, fmt.Errorf("what Kafka Connect says: %w", err)
		}
		if at := bytes.Index(log, []byte(killed)); at >= 0 {
			const enough = 2000
			return false, fmt.Errorf("a task of Kafka Connect failed: %s", log[at:min(len(log), at+enough)])
		}
		return done(ctx)
	})
}

// start starts a worker with the connector.
func (s JDBCSink) start(ctx context.Context, on Servers, topic string) (*devstack.Java, error) {
	if s.Tasks == 0 {
		s.Tasks = 2
	}
	connector, err := s.connector(on, topic)
	if err != nil {
		return nil, err
	}
	sink, err := writeProperties(on.Dir, "connector.properties", connector)
	if err != nil {
		return nil, err
	}
	worker, err := writeProperties(on.Dir, "worker.properties", map[string]string{
		"bootstrap.servers": strings.Join(on.Kafka.Brokers, ","), "listeners": "http://127.0.0.1:0",
		"offset.storage.file.filename": filepath.Join(on.Dir, "offsets"), "plugin.discovery": "only_scan",
		"key.converter":   "org.apache.kafka.connect.converters.ByteArrayConverter",
		"value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "true",
		"value.converter.schema.content": strings.Join(strings.Fields(connectRow), " "),
		"consumer.max.poll.records":      "5000",
	})
	if err != nil {
		return nil, err
	}
	return devstack.StartJava(ctx, devstack.JavaProgram{
		Name: "Kafka Connect", Jars: devstack.Jars{Name: "peer-connect", POM: connectPOM, Hashes: connectHashes}, HeapMB: peerHeapMB,
		Args: []string{"org.apache.kafka.connect.cli.ConnectStandalone", worker, sink}, Dir: on.Dir, Logger: on.Kafka.Logger,
	})
}

// connector are the sink's settings.
func (s JDBCSink) connector(on Servers, topic string) (map[string]string, error) {
	to, err := pgx.ParseConfig(on.Postgres)
	if err != nil {
		return nil, fmt.Errorf("the URL of Postgres: %w", err)
	}
	address := net.JoinHostPort(to.Host, strconv.Itoa(int(to.Port)))
	return map[string]string{
		"name": fmt.Sprintf("peer-jdbc-%d", time.Now().UnixNano()), "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
		"tasks.max": strconv.Itoa(s.Tasks), "topics": topic,
		"connection.url":      fmt.Sprintf("jdbc:postgresql://%s/%s?reWriteBatchedInserts=true", address, to.Database),
		"connection.username": to.User, "connection.password": to.Password,
		"collection.name.format": "peer_jdbc.entries", "schema.evolution": "none",
		"insert.mode": "upsert", "primary.key.mode": "record_value", "primary.key.fields": "event_id,entry",
		"batch.size": "5000", "dialect.postgres.unnest.insert.enabled": "true",
	}, nil
}
