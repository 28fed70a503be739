package replay

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Moment is what a side generation ends at: all that was recorded by a time, or all up to and with some positions.
type Moment struct {
	// Text is how the moment was told, in its one form: two that are told alike are the same generation.
	Text string

	at        time.Time
	positions map[eventlog.TopicPartition]int64 // the offsets after the last
}

// At is the moment of a time: all that was recorded by then.
func At(at time.Time) Moment {
	return Moment{Text: at.UTC().Format(time.RFC3339Nano), at: at}
}

// ParsePositions reads positions such as "payments/3@1042", with commas or spaces between them. Of a partition that none of them
// names it is all that there is when the generation is made.
func ParsePositions(text string) (Moment, error) {
	m := Moment{positions: map[eventlog.TopicPartition]int64{}}
	words := strings.FieldsFunc(text, func(c rune) bool { return c == ',' || c == ' ' || c == '\n' })
	for _, word := range words {
		position, err := eventlog.ParsePosition(word)
		if err != nil {
			return m, fmt.Errorf("%q is neither a day or a time, such as 2026-03-01T00:00:00Z, nor positions such as payments/3@1042,payments/4@17",
				text)
		}
		p := position.TopicPartition()
		m.positions[p] = max(m.positions[p], position.Offset+1)
	}
	if len(m.positions) == 0 {
		return m, fmt.Errorf("%q names no moment: want a time such as 2026-03-01T00:00:00Z, or positions such as payments/3@1042", text)
	}
	last := make([]string, 0, len(m.positions))
	for _, p := range eventlog.SortedPartitions(m.positions) {
		last = append(last, p.At(m.positions[p]-1).String())
	}
	m.Text = strings.Join(last, ",")
	return m, nil
}

// resolve finds the vector of a moment, once: records that come later are never in.
func (m Moment) resolve(ctx context.Context, kafka eventlog.Config, topics []string) (vector, error) {
	admin, err := eventlog.NewAdmin(kafka)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	ends, err := admin.EndOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	if m.positions == nil {
		return m.resolveTime(ctx, admin, ends, topics)
	}
	to := maps.Clone(ends)
	for p, offset := range m.positions {
		end, known := ends[p]
		switch {
		case !known:
			return nil, fmt.Errorf("the projection reads no partition %s", p)
		case offset > end:
			return nil, fmt.Errorf("%s is not in the log yet: %s ends at offset %d", p.At(offset-1), p, end)
		}
		to[p] = offset
	}
	return to, nil
}

// resolveTime has all records of each partition before the first one that was recorded after the time. Brokers keep milliseconds.
func (m Moment) resolveTime(ctx context.Context, admin *eventlog.Admin, ends vector, topics []string) (vector, error) {
	if now := time.Now(); m.at.After(now) {
		return nil, fmt.Errorf("%s is yet to come: a side generation is as of a time that has passed", m.Text)
	}
	to, err := admin.OffsetsAt(ctx, m.at.Truncate(time.Millisecond).Add(time.Millisecond), topics...)
	if err != nil {
		return nil, err
	}
	for p := range to {
		to[p] = min(to[p], ends[p])
	}
	return to, nil
}

// Side builds a generation as of a moment, for questions: it is never made live. One that is there already is left as it is, and one
// that was not finished is.
func (r *Replay) Side(ctx context.Context, moment Moment) (Result, error) {
	return r.locked(ctx, "replay", func(ctx context.Context) error {
		r.result.Until = moment.Text
		var number int32
		var to vector
		err := r.choosing(ctx, func(ctx context.Context, all []Generation) error {
			var err error
			number, to, err = r.chooseSide(ctx, all, moment)
			return err
		})
		if err != nil {
			return err
		}
		if err := r.begin(ctx, number); err != nil {
			return err
		}
		r.enter(PhaseBuilding)
		if err := r.step(ctx, "build"); err != nil {
			return err
		}
		started := time.Now()
		if err := r.rebuild.To(ctx, to); err != nil {
			return r.explain(err)
		}
		r.result.Offsets, r.result.Seconds = sum(to)-r.result.Resumed, time.Since(started).Seconds()
		if err := r.finish(ctx, r.audit); err != nil {
			return err
		}
		if !r.agrees() {
			return ErrDiffers
		}
		return nil
	})
}

// chooseSide is the generation of a moment, and where it ends.
func (r *Replay) chooseSide(ctx context.Context, all []Generation, moment Moment) (int32, vector, error) {
	version := r.Tables.Definition().Version
	for _, g := range all {
		if g.State != StateSide || g.Until == nil || *g.Until != moment.Text || g.Version != version {
			continue
		}
		if r.Restart {
			r.notef("dropping generation %d, of the same moment", g.Number)
			if err := r.Tables.Drop(ctx, g.Number); err != nil {
				return 0, nil, err
			}
			continue
		}
		to, err := target(ctx, r.Pool, g.Number)
		if err != nil {
			return 0, nil, err
		}
		at, err := readReached(ctx, r.Pool, g.Number)
		if err != nil {
			return 0, nil, err
		}
		r.result.Resumed = at.sum()
		r.notef("going on with generation %d, of the same moment, made %s, which has %d of %d records; --restart drops it and begins anew",
			g.Number, g.Made.UTC().Format(time.DateTime), at.sum(), sum(to))
		return g.Number, to, touch(ctx, r.Pool, g.Number)
	}
	to, err := moment.resolve(ctx, r.Kafka, r.Tables.Definition().Topics)
	if err != nil {
		return 0, nil, err
	}
	g, err := r.create(ctx)
	if err != nil {
		return 0, nil, err
	}
	if err := keepTarget(ctx, r.Pool, g.Number, moment.Text, to); err != nil {
		return 0, nil, err
	}
	return g.Number, to, r.step(ctx, "targeted")
}
