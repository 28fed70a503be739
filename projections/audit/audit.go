package audit

import (
	"cmp"
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
	memory     Memory
}

// New makes an auditor. It connects to nothing yet. Without ClickHouse, which may be nil, what is kept there cannot be verified.
func New(pool *pgxpool.Pool, kafka eventlog.Config, clickhouse driver.Conn) *Auditor {
	return &Auditor{pool, kafka, clickhouse, postingRules(), maphash.MakeSeed(), Memory{Bytes: DefaultMemory}}
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

// Phase is what an audit is doing.
type Phase string

// The phases, in their order. The log is read again where there are differences: to find which rows, and which events are behind them.
const (
	PhaseIdentities Phase = "reading what counts"
	PhaseLog        Phase = "reading the log"
	PhaseTables     Phase = "comparing the tables"
	PhaseAgain      Phase = "finding what differs"
	PhaseEvents     Phase = "finding the events"
)

// Progress is told how much of a phase is done, of how much: offsets of the log, or rows, of which nobody knows exactly how many.
// It is called from one goroutine at a time.
type Progress func(phase Phase, done, total int64)

// Memory is what an audit may use. What it takes beside it does not grow with the log, but for a bit for each record and
// projection: Most says how much that is.
type Memory struct {
	// Bytes is how much is sorted in memory; DefaultMemory when 0.
	Bytes int
	// Dir is where the rest is sorted, in files without a name; the system's folder for temporary files when empty.
	Dir string
}

// DefaultMemory is 64 MiB: more makes fewer and larger runs to sort, which is hardly faster.
const DefaultMemory = 64 << 20

// besideBytes is what an audit of all projections takes beside what is sorted, with the garbage of it: tallies, 22 MiB, the
// pieces of the log and blocks of rows that are read, a few MiB for each of up to eight partitions, and names.
const besideBytes = 96 << 20

// Most is about how much memory an audit of so many projections takes whose log has so many records, as long as it finds no
// difference: a goal for the garbage collector. What differs is held, up to 200,000 rows of each projection.
func (m Memory) Most(records int64, projections int) int64 {
	const bits = 8
	return int64(cmp.Or(m.Bytes, DefaultMemory)) + besideBytes + records*int64(projections)/bits
}

// half is for what is sorted beside something else.
func (m Memory) half() Memory { return Memory{m.Bytes / 2, m.Dir} } //nolint:mnd // A half.

// Within limits the memory of audits.
func (a *Auditor) Within(memory Memory) *Auditor {
	limited := *a
	limited.memory = Memory{cmp.Or(memory.Bytes, DefaultMemory), memory.Dir}
	return &limited
}

// Target is what is to be verified: a generation of a projection, the live one when it is 0.
type Target struct {
	Name       string
	Generation int32
}

// Live are the live generations of projections.
func Live(names ...string) []Target {
	targets := make([]Target, len(names))
	for i, name := range names {
		targets[i].Name = name
	}
	return targets
}

// Verify compares generations of projections, the live ones of all when none is named, with the log up to the offsets that
// they have themselves. Differences are no error: they are in the report, and the projections in the order of their names.
// An error is that servers cannot be reached, that the log is no longer whole, or that a target is not there.
func (a *Auditor) Verify(ctx context.Context, targets []Target, progress Progress) (Report, error) {
	s, err := openSnapshot(ctx, a.pool)
	if err != nil {
		return Report{}, err
	}
	defer s.close(ctx)
	all, err := a.open(ctx, s, targets)
	if err != nil {
		return Report{}, err
	}
	err = a.examine(ctx, s, all, progress)
	for _, e := range all {
		err = errors.Join(err, e.model.close())
	}
	if err != nil {
		return Report{}, err
	}
	report := Report{Projections: make([]Projection, 0, len(all))}
	for _, e := range all {
		report.Projections = append(report.Projections, e.report())
	}
	return report, nil
}

// examine holds the tables against the log.
func (a *Auditor) examine(ctx context.Context, s *snapshot, all []*examination, progress Progress) error {
	if progress == nil {
		progress = func(Phase, int64, int64) {}
	}
	l, err := a.openLog(ctx, s, all, progress)
	if err != nil {
		return err
	}
	if err := l.load(ctx, s, a.memory); err != nil {
		return err
	}
	if err := l.fold(ctx, s); err != nil {
		return err
	}
	if err := l.inspect(ctx, s); err != nil {
		return err
	}
	if err := l.tally(ctx, s); err != nil {
		return err
	}
	if err := l.detail(ctx, s); err != nil {
		return err
	}
	return l.explain(ctx)
}

// reminders are the recovery's tasks: they say no more than where to look, and nothing in them is ever shown. There is nothing to prove.
const reminders = "recovery"

// allOf are all that are live. One without a proof is among them, to be refused and not passed over.
func allOf(built map[string]built) []Target {
	var targets []Target
	for name, b := range built {
		if b.live != 0 && name != reminders {
			targets = append(targets, Target{Name: name})
		}
	}
	return targets
}

// open finds the generations, and has the snapshot's views show them.
func (a *Auditor) open(ctx context.Context, s *snapshot, targets []Target) ([]*examination, error) {
	built, err := s.generations(ctx)
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		targets = allOf(built)
	}
	targets = slices.Clone(targets)
	slices.SortFunc(targets, func(a, b Target) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Generation, b.Generation))
	})
	known := models()
	var all []*examination
	for i, target := range slices.Compact(targets) {
		newModel, ok := known[target.Name]
		if !ok {
			return nil, fmt.Errorf("there is no projection %q that can be verified: know %s", target.Name, strings.Join(Names(), ", "))
		}
		if i > 0 && all[i-1].name == target.Name {
			return nil, fmt.Errorf("%s is to be verified in two generations: verify one after the other", target.Name)
		}
		generation, live, err := built[target.Name].pick(target)
		if err != nil {
			return nil, err
		}
		if target.Name == revenueName && a.clickhouse == nil {
			return nil, fmt.Errorf("%s cannot be verified: %w", target.Name, ErrNoClickHouse)
		}
		if err := s.show(ctx, target.Name, generation); err != nil {
			return nil, err
		}
		e := &examination{
			name: target.Name, generation: generation, live: live, accepted: map[eventlog.TopicPartition]int64{},
		}
		e.model = newModel(a, e)
		all = append(all, e)
	}
	return all, nil
}
