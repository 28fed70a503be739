package replay

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// Status is how one generation is.
type Status struct {
	Generation

	// Records is how many offsets of the log are in, and Behind how many are not: before the end of the log or, of a side generation,
	// before its own end.
	Records int64 `json:"records"`
	Behind  int64 `json:"behind"`
	// Names are those under which people can query it, where it has some: "books_g12.account_balances".
	Names []string `json:"names"`
	// Holder is who works on a generation of the projection right now; null where nobody does, and for generations that cannot be
	// meant.
	Holder *Holder `json:"holder"`
}

// Statuses tells of the generations of some projections; ends are those of the log, nil where they are not known.
func Statuses(
	ctx context.Context, pool *pgxpool.Pool, of []projections.Definition, ends map[eventlog.TopicPartition]int64,
) ([]Status, error) {
	all := []Status{}
	for _, definition := range of {
		found, err := generations(ctx, pool, definition.Name)
		if err != nil {
			return nil, err
		}
		holds, err := holder(ctx, pool, definition.Name)
		if err != nil {
			return nil, err
		}
		for _, g := range found {
			status := Status{Generation: g, Names: []string{}}
			if err := status.measure(ctx, pool, definition, ends); err != nil {
				return nil, err
			}
			all = append(all, status)
		}
		if n := len(all); n > 0 && len(found) > 0 {
			newest(all[n-len(found):]).Holder = holds
		}
	}
	return all, nil
}

// newest is the generation that whoever has the lock most likely works on: the one that was touched last.
func newest(of []Status) *Status {
	last := &of[0]
	for i := range of {
		if s := &of[i]; s.State != StateReady && (last.State == StateReady || !s.Updated.Before(last.Updated)) {
			last = s
		}
	}
	return last
}

func (s *Status) measure(
	ctx context.Context, pool *pgxpool.Pool, definition projections.Definition, ends map[eventlog.TopicPartition]int64,
) error {
	at, err := readReached(ctx, pool, s.Number)
	if err != nil {
		return err
	}
	s.Records = at.sum()
	to := vector{}
	if s.State == StateSide {
		if to, err = target(ctx, pool, s.Number); err != nil {
			return err
		}
	} else {
		for p, end := range ends {
			for _, topic := range definition.Topics {
				if p.Topic == topic {
					to[p] = end
				}
			}
		}
	}
	for p, end := range to {
		s.Behind += max(0, end-at.next[p])
	}
	return nil
}

// Drop removes a generation that is not live: its tables, its names and its progress. Killed anywhere it is gone on with.
func Drop(ctx context.Context, pool *pgxpool.Pool, tables Tables, number int32) error {
	name := tables.Definition().Name
	ctx, release, err := takeLock(ctx, pool, name, "replay drop")
	if err != nil {
		return err
	}
	defer release()
	all, err := generations(ctx, pool, name)
	if err != nil {
		return err
	}
	if _, err := find(all, name, number); err != nil {
		return err
	}
	return tables.Drop(ctx, number)
}

// UnderWay are those of the projections on whose generations somebody is at work, and who.
func UnderWay(ctx context.Context, pool *pgxpool.Pool, of []projections.Definition) (map[string]Holder, error) {
	busy := map[string]Holder{}
	for _, definition := range of {
		h, err := holder(ctx, pool, definition.Name)
		if err != nil {
			return nil, err
		}
		if h != nil {
			busy[definition.Name] = *h
		}
	}
	return busy, nil
}
