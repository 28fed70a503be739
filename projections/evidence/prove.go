package evidence

import (
	"context"
	"hash/maphash"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// chunkClaims is how many events are read back at once; about half a kilobyte of each is kept.
const chunkClaims = 20_000

// Prove reads the events back and adds them up. tell gets each finding, in the claims' order, and may keep
// what it points to. Memory grows by about 20 bytes an event, to notice one that is claimed twice.
func (f *Figure) Prove(ctx context.Context, log *eventlog.Lookup, tell func(*Finding) error) (Proof, error) {
	p := proving{figure: f, log: log, tell: tell, seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}, parts: map[string]*Sum{}}
	p.proof.Sum = NewSum(len(f.Columns))
	chunk := make([]Finding, 0, min(f.Expected+1, chunkClaims))
	for claim, err := range f.Claims {
		if err != nil {
			return p.proof, err
		}
		if chunk = append(chunk, Finding{Claim: claim}); len(chunk) == chunkClaims {
			if err := p.take(ctx, chunk); err != nil {
				return p.proof, err
			}
			chunk = chunk[:0]
		}
	}
	if err := p.take(ctx, chunk); err != nil {
		return p.proof, err
	}
	p.compare()
	return p.proof, nil
}

// proving is a proof under way.
type proving struct {
	figure *Figure
	log    *eventlog.Lookup
	tell   func(*Finding) error
	proof  Proof
	parts  map[string]*Sum
	seed   maphash.Seed
	seen   map[uint64]struct{}
}

// take reads the records of some claims, and judges each.
func (p *proving) take(ctx context.Context, chunk []Finding) error {
	positions := make([]eventlog.Position, len(chunk))
	for i := range chunk {
		positions[i] = chunk[i].At
	}
	err := p.log.Each(ctx, positions, func(i int, record *eventlog.Record) error {
		if record != nil {
			chunk[i].Event, chunk[i].Adds = p.read(record)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range chunk {
		p.judge(&chunk[i])
		if err := p.tell(&chunk[i]); err != nil {
			return err
		}
	}
	return nil
}

// read keeps of a record what is needed.
func (p *proving) read(record *eventlog.Record) (Event, []*big.Int) {
	found := Event{Recorded: true, RecordedAt: record.RecordedAt}
	event := record.Event
	if event == nil {
		return found, nil
	}
	found.Valid, found.ID, found.Time = true, event.ID, event.Time
	found.Type, found.Reference = strings.Clone(string(event.Type)), strings.Clone(event.Subject)
	return found, p.figure.Rule(event)
}

// judge holds a claim against its record.
func (p *proving) judge(f *Finding) {
	before := p.proof.DifferencesTotal
	if !p.stands(f) {
		f.Adds = NewSum(len(p.figure.Columns)).Amounts
	}
	part := p.parts[f.Part]
	if part == nil {
		part = &Sum{Amounts: NewSum(len(p.figure.Columns)).Amounts}
		p.parts[f.Part] = part
	}
	p.proof.Sum.Add(f.Adds)
	part.Add(f.Adds)
	for i := range f.Amounts {
		if f.Amounts[i].Cmp(f.Adds[i]) != 0 {
			p.proof.differs(f.At.String(), p.figure.Columns[i], ledger.FormatUnits(f.Adds[i]), ledger.FormatUnits(f.Amounts[i]))
		}
	}
	f.Disputed = p.proof.DifferencesTotal > before
}

// stands tells whether the log has the event that is claimed, once, and it adds something; where not, that is a difference.
func (p *proving) stands(f *Finding) bool {
	key := maphash.Bytes(p.seed, f.EventID[:])
	_, again := p.seen[key]
	said := ""
	switch {
	case !f.Event.Recorded:
		said = "no record"
	case !f.Event.Valid:
		said = "no valid event"
	case f.Event.ID != f.EventID:
		said = f.Event.ID.String()
	case again:
		said = "met before, and counts once"
	case f.Adds == nil:
		said = "adds nothing here"
	}
	if said != "" {
		p.proof.differs(f.At.String(), "event", said, f.EventID.String())
		return false
	}
	p.seen[key] = struct{}{}
	if !f.Event.Time.Equal(f.OccurredAt) {
		p.proof.differs(f.At.String(), "time", f.Event.Time.Format(time.RFC3339Nano), f.OccurredAt.UTC().Format(time.RFC3339Nano))
	}
	return true
}

// compare holds the sums against those of the store.
func (p *proving) compare() {
	for _, name := range slices.Sorted(maps.Keys(p.figure.Parts)) {
		sum := p.parts[name]
		if sum == nil {
			sum = &Sum{Amounts: NewSum(len(p.figure.Columns)).Amounts}
		}
		stored := p.figure.Parts[name]
		p.same(name, sum, &stored)
	}
	if p.figure.Parts != nil {
		for _, name := range slices.Sorted(maps.Keys(p.parts)) {
			if _, ok := p.figure.Parts[name]; !ok {
				nothing := NewSum(len(p.figure.Columns))
				nothing.Events = -1
				p.same(name, p.parts[name], &nothing)
			}
		}
	}
	p.same("total", &p.proof.Sum, &p.figure.Stored)
	if stored := p.figure.StoredResult; stored != nil {
		if result := p.figure.Of(p.proof.Sum.Amounts); result.Cmp(stored) != 0 {
			p.proof.differs("total", p.figure.Result, ledger.FormatUnits(result), ledger.FormatUnits(stored))
		}
	}
}

func (p *proving) same(where string, sum, stored *Sum) {
	if stored.Events >= 0 && sum.Events != stored.Events {
		p.proof.differs(where, "events", strconv.FormatInt(sum.Events, 10), strconv.FormatInt(stored.Events, 10))
	}
	for i, column := range p.figure.Columns {
		if sum.Amounts[i].Cmp(stored.Amounts[i]) != 0 {
			p.proof.differs(where, column, ledger.FormatUnits(sum.Amounts[i]), ledger.FormatUnits(stored.Amounts[i]))
		}
	}
}
