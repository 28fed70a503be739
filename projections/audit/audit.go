package audit

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Auditor verifies projections that are kept in Postgres, or in ClickHouse with their identities and offsets in Postgres.
type Auditor struct {
	pool       *pgxpool.Pool
	kafka      eventlog.Config
	clickhouse driver.Conn
	rules      map[ledger.Type][]rule
	seed       maphash.Seed
}

// New makes an auditor. It connects to nothing yet. Without ClickHouse, which may be nil, what is kept there cannot be verified.
func New(pool *pgxpool.Pool, kafka eventlog.Config, clickhouse driver.Conn) *Auditor {
	return &Auditor{pool, kafka, clickhouse, postingRules(), maphash.MakeSeed()}
}

// ErrNoClickHouse says that a projection is to be verified whose tables are in ClickHouse, and none is given.
var ErrNoClickHouse = errors.New("its tables are in ClickHouse, and no ClickHouse is configured")

// Names are the projections that an auditor knows.
func Names() []string { return slices.Sorted(maps.Keys(models())) }

// models makes the reference of each projection.
func models() map[string]func(*Auditor, *examination) model {
	return map[string]func(*Auditor, *examination) model{
		"balances":   newBalances,
		"quarantine": newQuarantine,
		"receipts":   newReceipts,
		"receivers":  newReceivers,
		revenueName:  newRevenue,
		"subjects":   newSubjects,
	}
}

// Progress is told how many offsets of the log were read, of how many. Where differences are found the log is read once
// more, for the events behind them, and done starts from 0 again.
type Progress func(done, total int64)

// Verify compares the live generations of the projections, of all that are live when none is named, with the log up to
// the offsets that they have themselves. Differences are no error: they are in the report. An error is that servers
// cannot be reached, that the log is no longer whole, or that a name is not known.
func (a *Auditor) Verify(ctx context.Context, projections []string, progress Progress) (Report, error) {
	s, err := openSnapshot(ctx, a.pool)
	if err != nil {
		return Report{}, err
	}
	defer s.close(ctx)
	all, err := a.open(ctx, s, projections)
	if err != nil {
		return Report{}, err
	}
	l, err := a.openLog(ctx, s, all, progress)
	if err != nil {
		return Report{}, err
	}
	if err := l.fold(ctx); err != nil {
		return Report{}, err
	}
	for _, e := range all {
		if e.ids != nil {
			e.compareIdentities()
		}
		if err := e.model.compare(ctx, s); err != nil {
			return Report{}, err
		}
	}
	if err := l.explain(ctx, s); err != nil {
		return Report{}, err
	}
	report := Report{Projections: make([]Projection, 0, len(all))}
	for _, e := range all {
		report.Projections = append(report.Projections, e.report())
	}
	return report, nil
}

// open reads where the projections are, and their identities.
func (a *Auditor) open(ctx context.Context, s *snapshot, names []string) ([]*examination, error) {
	live, err := s.live(ctx)
	if err != nil {
		return nil, err
	}
	known := models()
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(live)) // One without a proof is refused below, not passed over.
	}
	var all []*examination
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		newModel, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("there is no projection %q that can be verified: know %s", name, strings.Join(Names(), ", "))
		}
		generation, ok := live[name]
		if !ok {
			return nil, fmt.Errorf("%s has no live generation: run `tributary migrate`", name)
		}
		if name == revenueName && a.clickhouse == nil {
			return nil, fmt.Errorf("%s cannot be verified: %w", name, ErrNoClickHouse)
		}
		e := &examination{name: name, generation: generation}
		e.model = newModel(a, e)
		all = append(all, e)
	}
	return all, nil
}
