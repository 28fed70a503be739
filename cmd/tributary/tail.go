package main

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// tailFlags say what of the log is shown.
type tailFlags struct {
	filter   tailFilter
	since    string
	lines    string
	noFollow bool
	postings bool
}

func newTailCommand(a *app) *cobra.Command {
	var flags tailFlags
	command := &cobra.Command{
		Use:   "tail",
		Short: "Follow the log, readable",
		Long: `Shows events as they come, a line each: when the log recorded it (UTC), its position, type and subject, the amount, and who
and what; records that hold no valid event stand in their place with the reason. It reads Kafka alone, without a consumer group, so
it needs no tables and disturbs nobody. First come the last ten events, or what --since asks for, in the order in which they were
recorded; then all that comes, as it arrives, until Ctrl-C. When brokers go away it says so, and goes on when they are back.

Filters narrow that down. They take names, several with commas or by repeating the flag, and * for any characters. Of a record that
is no valid event they look at what it claims to be.`,
		Example: `  tributary tail
  tributary tail --type 'payment.*' --type receiver.payment_confirmed --postings
  tributary tail --account merchant:acme: --since 24h --no-follow
  tributary tail --since 2026-03-02T08:00:00Z --subject pay-1001
  tributary tail -n 1000 --no-follow --json | jq -r .event.type | sort | uniq -c`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.tail(command.Context(), &flags) },
	}
	set := command.Flags()
	set.StringSliceVar(&flags.filter.types, "type", nil, "only these types, such as payment.posted or 'payment.*'")
	set.StringSliceVar(&flags.filter.subjects, "subject", nil, "only what is about these: a payment's id, a receiver's, …")
	set.StringSliceVar(&flags.filter.accounts, "account", nil,
		"only events that post to these accounts; one that ends in : is a prefix")
	set.StringSliceVar(&flags.filter.ledgers, "ledger", nil, "only these ledgers")
	set.StringSliceVar(&flags.filter.sources, "source", nil, "only these producers")
	set.StringSliceVar(&flags.filter.ids, "id", nil, "only events with these ids")
	set.StringVar(&flags.since, "since", "", "begin at a time or date, so long ago (90m, 7d), a position, or the start")
	set.StringVarP(&flags.lines, "lines", "n", "", "begin with the last so many (default 10, or all since --since)")
	set.BoolVar(&flags.noFollow, "no-follow", false, "end at the end of the log instead of waiting for more")
	set.BoolVar(&flags.postings, "postings", false, "show what each would do to the books, if it is the first with its id")
	a.jsonFlag(command, `an object a line: position, recorded_at, event (the CloudEvent); again (true) where its id came before in what
was read, so that it counts once; with --postings also postings (account, direction, asset_code, amount), none of what came again;
where a record holds no valid event rejected (reason, path, message, event_id, key, headers, payload in base64) instead of event`)
	return command
}

// linesByDefault are shown of what is there already.
const linesByDefault = 10

// last is how many are shown of what is there already; negative for all.
func (f *tailFlags) last() (int, error) {
	switch {
	case f.lines == "" && f.since == "":
		return linesByDefault, nil
	case f.lines == "":
		return -1, nil
	}
	n, err := strconv.Atoi(f.lines)
	if err != nil || n < 0 {
		return 0, usagef("--lines takes a number of events from 0 on, and is %q; --since start shows all", f.lines)
	}
	return n, nil
}

func (a *app) tail(ctx context.Context, flags *tailFlags) error {
	last, err := flags.last()
	if err != nil {
		return err
	}
	if err := flags.filter.prepare(); err != nil {
		return err
	}
	since, err := parseSince(flags.since, time.Now())
	if err != nil {
		return err
	}
	t := tailer{app: a, flags: flags, out: newTailPrinter(a, flags.postings)}
	ctx, release := a.untilStdoutCloses(ctx)
	defer release()
	err = t.run(ctx, since, last)
	if errors.Is(err, syscall.EPIPE) || errors.Is(context.Cause(ctx), errStdoutClosed) {
		return nil // whoever read has had enough, as head
	}
	if err == nil || ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return t.out.end() // Ctrl-C is how one ends it
	}
	return errors.Join(err, t.out.end())
}

// tailer is one run of tail.
type tailer struct {
	*app

	flags *tailFlags
	out   *tailPrinter
	kafka eventlog.Config
	// notBefore is the first recorded time that is wanted.
	notBefore time.Time
}

func (t *tailer) run(ctx context.Context, since sinceWhen, last int) error {
	admin, err := t.openKafka(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	// What the client would log, dial errors mostly, is told as notices.
	if t.kafka, err = t.app.kafka(t.logger(slog.LevelError + 1)); err != nil {
		return err
	}
	part := eventlog.Range{}
	if part.To, err = admin.EndOffsets(ctx); err != nil {
		return err
	}
	if part.From, err = t.from(ctx, admin, since); err != nil {
		return err
	}
	for p, to := range part.To { // what is asked for may lie past the end, or be no committed record yet
		part.From[p] = min(part.From[p], to)
	}
	if err := t.past(ctx, part, last); err != nil {
		return err
	}
	if t.flags.noFollow {
		return nil
	}
	return eventlog.Follow(ctx, t.kafka, part.To, t.notice, func(records []eventlog.Record) error {
		for i := range records {
			if t.wants(&records[i]) {
				t.out.add(&records[i])
			}
		}
		return t.out.flush()
	})
}

func (t *tailer) wants(record *eventlog.Record) bool {
	return !record.Control && !record.RecordedAt.Before(t.notBefore) && t.flags.filter.matches(record)
}

// past shows what is in the log already.
func (t *tailer) past(ctx context.Context, part eventlog.Range, last int) error {
	wants := t.wants
	if last >= 0 {
		marks, err := t.lastMarks(ctx, part, last)
		if err != nil {
			return err
		}
		from, first := marks.begin()
		part.To = maps.Clone(part.To)
		for p := range part.To {
			if _, has := from[p]; !has {
				delete(part.To, p)
			}
		}
		part.From = from
		wants = func(record *eventlog.Record) bool { return t.wants(record) && !markOf(record).before(first) }
	}
	err := eventlog.ReadMerged(ctx, t.kafka, part, wants, func(record *eventlog.Record) error {
		t.out.add(record)
		return t.out.flushWhenFull()
	})
	if err != nil {
		return err
	}
	return t.out.flush()
}

// notice tells of brokers that come and go.
func (t *tailer) notice(outage eventlog.Outage) {
	if outage.Err != nil {
		t.notef("tributary: the broker at %s does not answer (%v); waiting for it", outage.Broker, rootCause(outage.Err))
		return
	}
	t.notef("tributary: the broker at %s is back", outage.Broker)
}
