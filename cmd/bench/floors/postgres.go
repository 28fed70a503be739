package floors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// batchEvents is how many events a floor commits at once, as the product does.
const batchEvents = 20_000

// tables are all that balances need: who was counted, what happened to whom, what it comes to, and how far that is.
const tables = `
	CREATE TABLE identity (event_id uuid PRIMARY KEY);
	CREATE TABLE entries (event_id uuid NOT NULL, occurred_at timestamptz NOT NULL, account integer NOT NULL, entry integer NOT NULL,
		credit boolean NOT NULL, amount numeric NOT NULL);
	CREATE INDEX ON entries (account, occurred_at);
	CREATE TABLE totals (account integer, source integer, debits numeric NOT NULL, credits numeric NOT NULL,
		PRIMARY KEY (account, source)) WITH (fillfactor = 60);
	CREATE TABLE offsets (source integer PRIMARY KEY, next bigint NOT NULL)`

// addTotals adds what totalsOf gives.
const addTotals = `INSERT INTO totals AS t SELECT * FROM unnest($1::int4[], $2::int4[], $3::numeric[], $4::numeric[])
	ON CONFLICT (account, source) DO UPDATE SET debits = t.debits + excluded.debits, credits = t.credits + excluded.credits`

// rows are a batch, as Postgres takes it.
type rows struct {
	events       int64
	ids, entries *postgres.Rows
	totals       []*postgres.Array
}

// intoPostgres writes the run's events by so many connections.
func intoPostgres(connections int) func(context.Context, *measure.Bed) (measure.Result, error) {
	return func(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
		stores, err := bed.Stores(ctx)
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, stores.Drop(ctx)) }()
		if _, err := stores.Postgres.Exec(ctx, tables); err != nil {
			return result, fmt.Errorf("make the floor's tables: %w", err)
		}
		batches := encoded(bed.Fill, connections)
		began := time.Now()
		group, ctx := errgroup.WithContext(ctx)
		for i := range connections {
			group.Go(func() error { return writeAll(ctx, stores.PostgresURL, i, connections, batches) })
		}
		if err := group.Wait(); err != nil {
			return result, err
		}
		return measure.Per(bed.Fill.Events, time.Since(began).Seconds()), nil
	}
}

// writeAll commits every so manieth batch, by a connection of its own.
func writeAll(ctx context.Context, url string, source, connections int, batches []rows) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	for n := source; n < len(batches); n += connections {
		if err := write(ctx, conn, source, batches[n]); err != nil {
			return err
		}
	}
	return nil
}

// write commits a batch.
func write(ctx context.Context, conn *pgx.Conn, source int, batch rows) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := postgres.Copy(ctx, tx, "identity (event_id)", batch.ids); err != nil {
			return err
		}
		if err := postgres.Copy(ctx, tx, "entries (event_id, occurred_at, account, entry, credit, amount)", batch.entries); err != nil {
			return err
		}
		if err := postgres.Exec(ctx, tx, addTotals, batch.totals...); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO offsets AS o VALUES ($1, $2) ON CONFLICT (source) DO UPDATE SET next = o.next + $2`,
			source, batch.events)
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	return nil
}

// entry is a posting.
type entry struct {
	id      uuid.UUID
	at      time.Time
	account int32
	number  int32
	credit  bool
	amount  ledger.Amount
	event   int // which of its batch
}

// encoded are all events as batches; those of a connection are each as many apart as there are connections.
func encoded(fill measure.Fill, connections int) []rows {
	var batches []rows
	eachBatch(fill, func(events []*ledger.Event, entries []entry) {
		batches = append(batches, encode(events, entries, len(batches)%connections))
	})
	return batches
}

// eachBatch gives all events and their entries, which are the caller's until it returns.
func eachBatch(fill measure.Fill, do func([]*ledger.Event, []entry)) {
	type account struct {
		ledger.Account

		asset string
	}
	numbers := map[account]int32{}
	var events []*ledger.Event
	var entries []entry
	var postings []ledger.Posting
	flush := func() {
		if len(events) > 0 {
			do(events, entries)
			events, entries = events[:0], entries[:0]
		}
	}
	for event := range fill.All() {
		events = append(events, event)
		postings = ledger.Postings(postings[:0], event)
		for n, posting := range postings {
			key := account{posting.Account, posting.Asset}
			number, known := numbers[key]
			if !known {
				number = int32(len(numbers)) //nolint:gosec // there are fewer
				numbers[key] = number
			}
			entries = append(entries, entry{event.ID, event.Time, number, int32(n), bool(posting.Direction), posting.Amount, len(events) - 1})
		}
		if len(events) == batchEvents {
			flush()
		}
	}
	flush()
}

// encode sorts what is indexed, which makes the index's pages hot, and encodes it.
func encode(events []*ledger.Event, entries []entry, source int) rows {
	const idBytes, entryBytes = 22, 90
	slices.SortFunc(events, func(a, b *ledger.Event) int { return slices.Compare(a.ID[:], b.ID[:]) })
	sortEntries(entries)
	batch := rows{
		events: int64(len(events)), ids: postgres.NewRows(len(events), idBytes), entries: postgres.NewRows(len(entries), entryBytes),
		totals: totalsOf(entries, source),
	}
	for _, event := range events {
		batch.ids.Row(1)
		batch.ids.UUID(event.ID)
	}
	for i := range entries {
		e := &entries[i]
		const columns = 6
		batch.entries.Row(columns)
		batch.entries.UUID(e.id)
		batch.entries.Time(e.at)
		batch.entries.Int4(e.account)
		batch.entries.Int4(e.number)
		batch.entries.Bool(e.credit)
		batch.entries.Amount(e.amount)
	}
	return batch
}

// sortEntries puts them in the order of accounts and times.
func sortEntries(entries []entry) {
	slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.account, b.account), a.at.Compare(b.at)) })
}

// totalsOf are what sorted entries come to: accounts, sources, debits and credits.
func totalsOf(entries []entry, source int) []*postgres.Array {
	accounts, sources := postgres.NewArray(postgres.OIDInt4, len(entries), 4), postgres.NewArray(postgres.OIDInt4, len(entries), 4)
	debited, credited := postgres.NewArray(postgres.OIDNumeric, 0, 0), postgres.NewArray(postgres.OIDNumeric, 0, 0)
	for start := 0; start < len(entries); {
		var debits, credits ledger.Sum
		account := entries[start].account
		for ; start < len(entries) && entries[start].account == account; start++ {
			if e := &entries[start]; e.credit {
				credits.Add(e.amount)
			} else {
				debits.Add(e.amount)
			}
		}
		accounts.Next().Int4(account)
		sources.Next().Int4(int32(source)) //nolint:gosec // few
		debited.Next().Sum(debits)
		credited.Next().Sum(credits)
	}
	return []*postgres.Array{accounts, sources, debited, credited}
}
