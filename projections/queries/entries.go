package queries

import (
	"context"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

func (q *Queries) listEntries(ctx context.Context, in *entriesInput) (*body[AccountEntries], error) {
	positions, err := in.positions()
	if err != nil {
		return nil, err
	}
	caller := web.Caller(ctx)
	filter, err := in.filter(caller.Ledger)
	if err != nil {
		return nil, err
	}
	if !ownsAccount(caller, in.Account) {
		return nil, notFound("account", in.Account)
	}
	rows, err := ask(ctx, q, ofBalances, positions, snapshot(func(ctx context.Context, db postgres.Querier) ([]balances.Entry, error) {
		rows, err := balances.Entries(ctx, db, filter)
		if err != nil || len(rows) > 0 {
			return rows, err
		}
		now, err := balances.List(ctx, db, balances.Filter{Account: in.Account, Ledger: caller.Ledger, Limit: 1})
		if err == nil && len(now) == 0 {
			err = postgres.ErrNotFound
		}
		return nil, err
	}))
	if err != nil {
		return nil, orNotFound(err, "account", in.Account)
	}
	rows, next := cut(rows, in.Limit, func(e *balances.Entry) place {
		return place{At: e.OccurredAt, Topic: e.Topic, Partition: e.Partition, Offset: e.Offset, Entry: e.Entry}
	})
	shown := AccountEntries{Account: in.Account, Ledger: caller.Ledger, Entries: make([]AccountEntry, len(rows)), Next: next}
	for i := range rows {
		shown.Entries[i] = shownEntry(&rows[i])
	}
	return &body[AccountEntries]{shown}, nil
}

func (in *entriesInput) filter(inLedger string) (balances.EntryFilter, error) {
	filter := balances.EntryFilter{Account: in.Account, Ledger: inLedger, Asset: in.AssetCode, Limit: in.Limit + 1}
	after, err := in.after()
	if err != nil {
		return filter, err
	}
	if after != nil {
		filter.After = &balances.Entry{
			OccurredAt: after.At, Topic: after.Topic, Partition: after.Partition, Offset: after.Offset, Entry: after.Entry,
		}
	}
	if !isText(in.AssetCode) {
		return filter, invalid("query.asset_code", "it is not a text")
	}
	if filter.AsOf, err = in.asOf("query.to", in.To); err != nil {
		return filter, err
	}
	zone, err := zoneOf(in.TZ)
	if err != nil {
		return filter, err
	}
	if filter.From, err = instant("query.from", in.From, zone); err != nil {
		return filter, err
	}
	if !filter.AsOf.At.IsZero() && filter.AsOf.At.Before(filter.From) {
		return filter, invalid("query.to", "it is before from")
	}
	return filter, nil
}

func shownEntry(e *balances.Entry) AccountEntry {
	return AccountEntry{
		EventID: e.EventID.String(), Entry: e.Entry, EventType: e.EventType, Reference: e.Reference, Direction: e.Direction,
		AssetCode: e.AssetCode, Amount: e.Amount, OccurredAt: e.OccurredAt, RecordedAt: e.RecordedAt, Position: e.Position().String(),
	}
}
