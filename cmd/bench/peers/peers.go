package peers

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Servers are those that the product runs on, too.
type Servers struct {
	Kafka      eventlog.Config
	Postgres   string // URL; peers work in schemas of their own, peer_…
	ClickHouse string // URL; a peer works in a database of its own, peer
	Dir        string // for files and logs of peers that are processes; there already
}

// Outcome is what a peer did.
type Outcome struct {
	// Events of the log are in, and of those Rows that were prepared for the peer, where it reads such.
	Events, Rows int64
	Seconds      float64
}

// Rate is how many events of the log a second.
func (o Outcome) Rate() float64 { return float64(o.Events) / o.Seconds }

// after is the outcome of a peer that had read the first rows of a topic when the clock was started, and then all.
func after(from Prepared, first int64, seconds float64) Outcome {
	rows := from.Rows - first
	return Outcome{Events: int64(float64(from.Events) * float64(rows) / float64(from.Rows)), Rows: rows, Seconds: seconds}
}

// freshSchema makes a peer's tables anew, and returns a connection.
func freshSchema(ctx context.Context, url, ddl string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect a peer to Postgres: %w", err)
	}
	if _, err := conn.Exec(ctx, ddl); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("make a peer's tables: %w", err)
	}
	return conn, nil
}

// poll asks until done says so. There is nobody to signal it: peers are asked by what they have stored.
func poll(ctx context.Context, done func(context.Context) (bool, error)) error {
	const pause = 20 * time.Millisecond
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
