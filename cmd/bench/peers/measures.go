package peers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/cmd/bench/product"
	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// Measures are all peers, in events of the log a second, each beside the product's rebuild of the same. They run when they are asked for.
func Measures() []measure.Measure {
	topics := &preparations{made: map[string]Prepared{}}
	all := transactions()
	all = append(all, measure.Measure{
		Name: "peer/jdbc-sink", Against: product.Rebuild(balances.Name), Goal: 1.2,
		About: "Debezium's JDBC sink on Kafka Connect, 2 tasks, upserting entries alone into Postgres; at-least-once, idempotent",
		Run: onJava(func(ctx context.Context, on Servers, bed *measure.Bed) (Outcome, error) {
			from, err := topics.get(ctx, on.Kafka, bed, "entries", PrepareEntries)
			if err != nil {
				return Outcome{}, err
			}
			return JDBCSink{}.Run(ctx, on, from)
		}),
	}, measure.Measure{
		Name: "peer/streams", Against: product.Rebuild(balances.Name), Goal: 1,
		About: "Kafka Streams, exactly_once_v2, balances in a state store with a changelog; no entries, no event ids",
		Run: onJava(func(ctx context.Context, on Servers, bed *measure.Bed) (Outcome, error) {
			from, err := topics.get(ctx, on.Kafka, bed, "entries", PrepareEntries)
			if err != nil {
				return Outcome{}, err
			}
			outcome, _, err := Streams{CommitEvery: time.Second}.Run(ctx, on, from)
			return outcome, err
		}),
	}, measure.Measure{
		Name: "peer/streams-keyed", Against: product.Rebuild(balances.Name),
		About: "the same, of entries that lie under their accounts already, as the log does not have them",
		Run: onJava(func(ctx context.Context, on Servers, bed *measure.Bed) (Outcome, error) {
			from, err := topics.get(ctx, on.Kafka, bed, "accounts", PrepareAccounts)
			if err != nil {
				return Outcome{}, err
			}
			outcome, _, err := Streams{Keyed: true, CommitEvery: time.Second}.Run(ctx, on, from)
			return outcome, err
		}),
	}, measure.Measure{
		Name: "peer/kafka-engine", Against: product.Rebuild(revenue.Name), Goal: 0.7,
		About: "ClickHouse's Kafka engine, 2 consumers, rows of revenue prepared as JSON; at-least-once, no event ids",
		Run: peer(func(ctx context.Context, on Servers, bed *measure.Bed) (Outcome, error) {
			if err := bed.NeedClickHouse(); err != nil {
				return Outcome{}, err
			}
			from, err := topics.get(ctx, on.Kafka, bed, "revenue", PrepareRevenue)
			if err != nil {
				return Outcome{}, err
			}
			return KafkaEngine{}.Run(ctx, on, from)
		}),
	})
	for i := range all {
		all[i].Of, all[i].Unit, all[i].Slow = measure.Peer, "events/s", true
	}
	return all
}

// transactions are the consumer's four forms. At a transaction a record, a small part of the log is enough.
func transactions() []measure.Measure {
	const some, more = 10_000, 50_000
	forms := []struct {
		name, about string
		how         Transactions
		goal        float64
	}{
		{"", "a consumer (Go, pgx), one transaction a record: entries, balances, offset; 1 connection", Transactions{Events: some}, 0},
		{"-4", "the same on 4 connections", Transactions{Workers: 4, Events: some}, 0},
		{"-pipelined", "the same, a statement a record, 64 under way; 1 connection", Transactions{Pipelined: true, Events: more}, 0},
		{"-pipelined-4", "the same on 4 connections", Transactions{Workers: 4, Pipelined: true, Events: more}, 12},
	}
	all := make([]measure.Measure, 0, len(forms))
	for _, m := range forms {
		all = append(all, measure.Measure{
			Name: "peer/transactions" + m.name, About: m.about, Against: product.Rebuild(balances.Name), Goal: m.goal,
			Run: peer(func(ctx context.Context, on Servers, _ *measure.Bed) (Outcome, error) { return m.how.Run(ctx, on) }),
		})
	}
	return all
}

// run is a peer's on the bed's servers.
type run func(ctx context.Context, on Servers, bed *measure.Bed) (Outcome, error)

// peer runs it on the bed's log and stores of its own.
func peer(of run) func(context.Context, *measure.Bed) (measure.Result, error) {
	return func(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
		log, err := bed.Log(ctx)
		if err != nil {
			return result, err
		}
		dir, err := bed.FreshDir("peer")
		if err != nil {
			return result, err
		}
		stores, err := bed.Stores(ctx)
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, stores.Drop(ctx)) }()
		outcome, err := of(ctx, Servers{Kafka: log.Kafka, Postgres: stores.PostgresURL, ClickHouse: stores.ClickHouseURL, Dir: dir}, bed)
		if err != nil {
			return result, err
		}
		result = measure.Per(outcome.Events, outcome.Seconds)
		if outcome.Rows > 0 {
			result.Extra = map[string]float64{"rows_per_second": float64(outcome.Rows) / outcome.Seconds}
		}
		return result, nil
	}
}

// onJava runs a peer that is Java's, on a broker that is: then the product runs on that, too.
func onJava(of run) func(context.Context, *measure.Bed) (measure.Result, error) {
	return func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
		if err := devstack.JavaHere(ctx); err != nil {
			return measure.Result{}, fmt.Errorf("%w: %w", measure.ErrMissing, err)
		}
		if !bed.Apache {
			return measure.Result{}, fmt.Errorf("%w: it wants a broker of Apache Kafka: run with --apache", measure.ErrMissing)
		}
		return peer(of)(ctx, bed)
	}
}

// preparations are the topics that were made, for the rounds after the first.
type preparations struct {
	mu   sync.Mutex
	made map[string]Prepared
}

func (p *preparations) get(
	ctx context.Context, kafka eventlog.Config, bed *measure.Bed, what string,
	prepare func(context.Context, eventlog.Config, int32) (Prepared, error),
) (Prepared, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := kafka.Brokers[0] + " " + what
	if made, ok := p.made[key]; ok {
		return made, nil
	}
	bed.Say("preparing the topic of %s for peers", what)
	made, err := prepare(ctx, kafka, int32(bed.Fill.Partitions)) //nolint:gosec // Few.
	if err != nil {
		return Prepared{}, err
	}
	bed.Say("prepared %d rows of %d events", made.Rows, made.Events)
	p.made[key] = made
	return made, nil
}
