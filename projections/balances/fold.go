package balances

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// entry is a posting of an event: a row of entries.
type entry struct {
	record  int // Of the batch.
	number  int32
	account int32 // Of folded.accounts; its row's number once resolved.
	credit  bool
	amount  ledger.Amount
}

// total is what a batch adds to an account's row for a partition.
type total struct {
	account         int32
	topic           int16
	partition       int32
	debits, credits ledger.Sum
}

// folded is a batch as postings, its accounts numbered in the order of their appearance.
type folded struct {
	accounts []account
	entries  []entry
}

// fold is pure.
func fold(records []eventlog.Record) folded {
	f := folded{entries: make([]entry, 0, 2*len(records))} //nolint:mnd // Most events post twice.
	numbers := make(map[account]int32, len(records)/4)     //nolint:mnd // Accounts repeat.
	var postings []ledger.Posting
	for i := range records {
		event := records[i].Event
		postings = ledger.Postings(postings[:0], event)
		for n, posting := range postings {
			key := account{posting.Account, event.Ledger, posting.Asset}
			number, ok := numbers[key]
			if !ok {
				number = int32(len(f.accounts)) //nolint:gosec // A batch has fewer.
				numbers[key] = number
				f.accounts = append(f.accounts, key)
			}
			f.entries = append(f.entries, entry{
				record: i, number: int32(n), account: number,
				credit: bool(posting.Direction), amount: posting.Amount,
			})
		}
	}
	return f
}

// Prepare folds the records, numbers the accounts, and encodes the rows.
func (p *Projection) Prepare(
	ctx context.Context, generation postgres.Generation, records []eventlog.Record,
) (postgres.Writes, error) {
	f := fold(records)
	ids, err := p.accounts.Resolve(ctx, f.accounts)
	if err != nil {
		return nil, fmt.Errorf("number the accounts: %w", err)
	}
	for i := range f.entries {
		f.entries[i].account = ids[f.entries[i].account]
	}
	labels, err := p.label(ctx, records)
	if err != nil {
		return nil, fmt.Errorf("number topics and types: %w", err)
	}
	// By account, so that the index's pages are hot, and totals are met one after the other.
	slices.SortFunc(f.entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.record, b.record), cmp.Compare(a.number, b.number))
	})
	return &writes{
		generation: generation,
		entries:    entryRows(generation.Table("entries"), records, f.entries, labels),
		totals:     totals(records, f.entries, labels),
	}, nil
}

// label numbers the topics and types that occur.
func (p *Projection) label(ctx context.Context, records []eventlog.Record) (map[string]int16, error) {
	labels := map[string]int16{}
	var names []string
	for i := range records {
		for _, name := range [...]string{records[i].Topic, string(records[i].Event.Type)} {
			if _, ok := labels[name]; !ok {
				labels[name] = 0
				names = append(names, name)
			}
		}
	}
	ids, err := p.labels.Resolve(ctx, names)
	for i, id := range ids {
		labels[names[i]] = int16(id) //nolint:gosec // tributary.labels.id is a smallint.
	}
	return labels, err
}

// totals adds the sorted entries up, by account and partition.
func totals(records []eventlog.Record, entries []entry, labels map[string]int16) []total {
	var sums []total
	start := 0 // Of the account's sums.
	for _, e := range entries {
		record := &records[e.record]
		if start < len(sums) && sums[start].account != e.account {
			start = len(sums)
		}
		topic := labels[record.Topic]
		at := slices.IndexFunc(sums[start:], func(t total) bool {
			return t.partition == record.Partition && t.topic == topic
		})
		if at < 0 {
			at = len(sums) - start
			sums = append(sums, total{account: e.account, topic: topic, partition: record.Partition})
		}
		if sum := &sums[start+at]; e.credit {
			sum.credits.Add(e.amount)
		} else {
			sum.debits.Add(e.amount)
		}
	}
	slices.SortFunc(sums, func(a, b total) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	})
	return sums
}
