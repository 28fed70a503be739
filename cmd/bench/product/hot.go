package product

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/projections/balances"
)

// owners is how many processes share the partitions.
const owners = 4

// hotAccounts compare one account in half of all postings with many, and count what the owners of its partitions wait for each other.
func hotAccounts() []measure.Measure {
	var waits map[string]float64
	run := func(hot bool) func(context.Context, *measure.Bed) (measure.Result, error) {
		return func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
			fill := bed.Fill
			fill.Payments, fill.Hot = !hot, hot
			log, err := bed.LogOf(ctx, fill)
			if err != nil {
				return measure.Result{}, err
			}
			result, err := contended(ctx, bed, log)
			if hot {
				waits = result.Extra
			}
			return result, err
		}
	}
	return []measure.Measure{
		{
			Name: "accounts/zipf", Of: measure.Product, Unit: measure.EventsPerSecond, Run: run(false),
			About: "rebuild of balances by four processes, payments to accounts as uneven as Zipf's law says",
		},
		{
			Name: "accounts/hot", Of: measure.Product, Unit: measure.EventsPerSecond, Against: "accounts/zipf", Goal: 0.9, Run: run(true),
			About: "the same, with one account in half of all postings",
		},
		{
			Name: "accounts/hot-waits", Of: measure.Product, Unit: "waits", Less: true,
			About: "deadlocks and waits for a lock of more than 10 ms in the measure before this one",
			Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
				if waits == nil {
					if _, err := run(true)(ctx, bed); err != nil {
						return measure.Result{}, err
					}
				}
				found := measure.Result{Rate: waits["deadlocks"] + waits["lock_waits"], Extra: waits}
				waits = nil
				return found, nil
			},
		},
	}
}

// contended is a rebuild by several owners, of which the server notes each wait for a lock that is longer than it waits before it
// looks for a deadlock.
func contended(ctx context.Context, bed *measure.Bed, log *measure.Log) (result measure.Result, err error) {
	for _, setting := range []string{"deadlock_timeout = '10ms'", "log_lock_waits = on"} {
		if err := configure(ctx, bed, "ALTER SYSTEM SET "+setting); err != nil {
			return result, err
		}
	}
	defer func() {
		for _, setting := range []string{"deadlock_timeout", "log_lock_waits"} {
			err = errors.Join(err, configure(context.WithoutCancel(ctx), bed, "ALTER SYSTEM RESET "+setting))
		}
	}()
	before, err := lockWaits(bed)
	if err != nil {
		return result, err
	}
	result, err = rebuild(ctx, bed, log, balances.New(nil, nil).Definition(), owners)
	if err != nil {
		return result, err
	}
	after, err := lockWaits(bed)
	if err != nil {
		return result, err
	}
	result.Extra["lock_waits"] = float64(after.waits - before.waits)
	result.Extra["deadlocks"] = float64(after.deadlocks - before.deadlocks)
	return result, nil
}

// configure changes a setting of the server.
func configure(ctx context.Context, bed *measure.Bed, statement string) error {
	conn, err := pgx.Connect(ctx, bed.PostgresURL)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err == nil {
		_, err = conn.Exec(ctx, "SELECT pg_reload_conf()")
	}
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// noted is what the server's log has noted so far.
type noted struct{ waits, deadlocks int }

func lockWaits(bed *measure.Bed) (found noted, err error) {
	file, err := os.Open(bed.PostgresLog())
	if err != nil {
		return found, fmt.Errorf("open the log of Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	const longest = 1 << 20
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		switch text := lines.Text(); {
		case strings.Contains(text, "still waiting for"):
			found.waits++
		case strings.Contains(text, "deadlock detected"):
			found.deadlocks++
		}
	}
	if err := lines.Err(); err != nil {
		return found, fmt.Errorf("read the log of Postgres: %w", err)
	}
	return found, nil
}
