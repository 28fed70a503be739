package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/subjects"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	kindPayment  = "payment"
	kindReceiver = "receiver"
	kindSite     = "site"
)

// storyGroup is one thing among those with an id.
type storyGroup struct{ kind, ledger string }

// foundStory is what the log has about an id.
type foundStory struct {
	id      string
	records map[storyGroup][]eventlog.Record
	count   map[storyGroup]int // of all events, those left out too
	refused []refusedRecord
	scanned int64
	hint    string
	others  map[storyGroup]bool // things with the id that the flags leave out
}

// refusedRecord is a record that names the id, and is no valid event.
type refusedRecord struct {
	eventlog.Record

	releasedAs string // where it was published again, empty where it was not
}

func (r refusedRecord) line() string {
	return r.String() + "  " + refusal(r.Rejected, r.Rejected.Claims().Type)
}

func (f *foundStory) groups() []storyGroup {
	return slices.SortedFunc(maps.Keys(f.records), func(a, b storyGroup) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.ledger, b.ledger))
	})
}

// kindOf is the thing that an event is about, by its type.
func kindOf(eventType string) string {
	kind, _, _ := strings.Cut(shortType(eventType), ".")
	if kind == "post" || kind == "monetization" {
		return kindSite
	}
	return kind
}

// keptEvents is how many events of a thing are held, the latest; a busy site has millions.
const keptEvents = 20_000

// add takes a record in, if it is about the id and wanted.
func (f *foundStory) add(record *eventlog.Record, flags *storyFlags) {
	if !slices.Contains(subjects.Names(record), f.id) {
		return
	}
	if record.Rejected != nil {
		f.addRefused(record, flags)
		return
	}
	g := storyGroup{kindOf(string(record.Event.Type)), record.Event.Ledger}
	if flags.ledger != "" && flags.ledger != g.ledger || flags.kind != "" && flags.kind != g.kind || !ofPost(record, flags.post) {
		g.ledger = strings.Clone(g.ledger)
		f.others[g] = true
		return
	}
	g.ledger = strings.Clone(g.ledger)
	f.count[g]++
	f.records[g] = append(f.records[g], *record)
	if len(f.records[g]) > 2*max(keptEvents, flags.limit) {
		f.trim(g, max(keptEvents, flags.limit))
	}
}

func (f *foundStory) addRefused(record *eventlog.Record, flags *storyFlags) {
	claims := record.Rejected.Claims()
	kind := kindOf(claims.Type)
	known := slices.Contains(storyKinds(), kind)
	if flags.ledger != "" && claims.Ledger != "" && claims.Ledger != flags.ledger || flags.kind != "" && known && kind != flags.kind {
		return
	}
	if len(f.refused) < keptEvents {
		f.refused = append(f.refused, refusedRecord{Record: *record})
	}
}

// trim keeps the latest.
func (f *foundStory) trim(g storyGroup, most int) {
	slices.SortFunc(f.records[g], func(a, b eventlog.Record) int { return compareEventTime(&a, &b) })
	f.records[g] = slices.Clone(f.records[g][max(0, len(f.records[g])-most):])
}

// compareEventTime orders events as entries are ordered, by time and then position.
func compareEventTime(a, b *eventlog.Record) int {
	return cmp.Or(a.Event.Time.Compare(b.Event.Time), a.TopicPartition().Compare(b.TopicPartition()), cmp.Compare(a.Offset, b.Offset))
}

// ofPost tells whether an event concerns a post; all do where none is named.
func ofPost(record *eventlog.Record, post string) bool {
	if post == "" {
		return true
	}
	switch d := record.Event.Data.(type) {
	case *eventsv1.PostPublished:
		return d.GetPostId() == post
	case *eventsv1.MonetizationReceived:
		return d.GetPostId() == post
	default:
		return false
	}
}

// find finds what the log has about an id: by the index as far as it goes, and by reading the rest.
func (t *teller) find(ctx context.Context, admin *eventlog.Admin, id string) (*foundStory, error) {
	found := &foundStory{id: id, records: map[storyGroup][]eventlog.Record{}, count: map[storyGroup]int{}, others: map[storyGroup]bool{}}
	rest, err := t.wholeLog(ctx, admin)
	if err != nil {
		return nil, err
	}
	var places []eventlog.Position
	if t.pool != nil {
		if places, err = t.places(ctx, admin, id, &rest); err != nil {
			return nil, err
		}
	}
	lookup, err := eventlog.NewLookup(t.kafka)
	if err != nil {
		return nil, err
	}
	defer lookup.Close()
	bar := &progress{}
	if len(places) > keptEvents {
		bar = t.startProgress(ctx, "reading", int64(len(places)), countRecords)
	}
	defer bar.end()
	err = lookup.Each(ctx, places, func(_ int, record *eventlog.Record) error {
		bar.add(1)
		if record != nil {
			found.add(record, &t.flags)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	bar.end()
	if err := t.scan(ctx, found, rest); err != nil {
		return nil, err
	}
	slices.SortFunc(found.refused, func(a, b refusedRecord) int { return eventlog.CompareRecorded(&a.Record, &b.Record) })
	return found, nil
}

func (t *teller) wholeLog(ctx context.Context, admin *eventlog.Admin) (eventlog.Range, error) {
	var rest eventlog.Range
	var err error
	if rest.To, err = admin.EndOffsets(ctx); err != nil {
		return rest, err
	}
	rest.From, err = admin.StartOffsets(ctx)
	return rest, err
}

// places asks the index, and takes away from the rest what it has.
func (t *teller) places(ctx context.Context, admin *eventlog.Admin, id string, rest *eventlog.Range) ([]eventlog.Position, error) {
	logs, err := admin.Identities(ctx)
	if err != nil {
		return nil, err
	}
	var places []eventlog.Position
	err = t.read(ctx, func(tx pgx.Tx) error {
		reached, err := subjects.Progress(ctx, tx)
		if err != nil || len(reached) == 0 {
			return err
		}
		for p, kept := range reached {
			if eventlog.CheckIdentity(p, kept.LogIdentity, logs[p]) != nil { // the index is of another log
				delete(reached, p)
				continue
			}
			rest.From[p] = min(max(rest.From[p], kept.Next), rest.To[p])
		}
		return subjects.Places(ctx, tx, id, func(at eventlog.Position) {
			if at.Offset < rest.To[at.TopicPartition()] && at.Offset < reached[at.TopicPartition()].Next {
				places = append(places, at)
			}
		})
	})
	return places, err
}

// scan reads what the index does not have.
func (t *teller) scan(ctx context.Context, found *foundStory, rest eventlog.Range) error {
	var total int64
	for p, to := range rest.To {
		total += max(0, to-rest.From[p])
	}
	if total == 0 {
		return nil
	}
	found.scanned = total
	const noticed = 100_000
	if total > noticed {
		t.notef("reading %s records of the log that the index does not have: does \"tributary project subjects\" run?", count(total))
	}
	bar := t.startProgress(ctx, "reading", total, countRecords)
	defer bar.end()
	var mu sync.Mutex
	return eventlog.ReadRange(ctx, t.kafka, rest, func(_ context.Context, batch eventlog.Batch) error {
		var about []eventlog.Record
		for i := range batch.Records {
			if record := &batch.Records[i]; record.Event == nil || record.Event.Subject == found.id {
				about = append(about, *record)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for i := range about {
			found.add(&about[i], &t.flags)
		}
		bar.add(batch.Next - batch.From)
		return nil
	})
}
