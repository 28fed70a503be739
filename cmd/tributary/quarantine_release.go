package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// releaseFlags say what is released, and how.
type releaseFlags struct {
	reason, fix, by string
	all, yes, wait  bool
	timeout         time.Duration
}

func newQuarantineReleaseCommand(a *app) *cobra.Command {
	var flags releaseFlags
	command := &cobra.Command{
		Use:   "release [POSITION…]",
		Short: "Publish refused records again that are valid by now",
		Long: `Shows first what it would do: which records are valid events to this version, what they would change, which of them count
already or stand in conflict, and which are still invalid, and why. Then, when that is confirmed, it publishes the valid ones
again, each under its own id and key. A record that was released is marked so when the quarantine projection has met the event.

An event counts once, however often it is published: to release twice, at once, or again after a crash is safe. The exit code is
1 where a record that was asked for was not published: it is still invalid, in conflict, or nobody confirmed.

--fix takes the event for one record from a file, where the record itself cannot be mended: one line of NDJSON, with the id that
the record claims.`,
		Example: `  tributary quarantine release --reason unknown_type
  tributary quarantine release payments/3@1042 payments/7@99 --yes --wait
  tributary quarantine release payments/3@1042 --fix mended.ndjson
  tributary quarantine release --all --json | jq '.ready'`,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			chosen, err := flags.choose(args)
			if err != nil {
				return err
			}
			return a.release(command.Context(), chosen, flags)
		},
	}
	command.Flags().StringVar(&flags.reason, "reason", "", "all that were refused for this reason, such as unknown_type")
	command.Flags().BoolVar(&flags.all, "all", false, "all that were not released yet")
	command.Flags().StringVar(&flags.fix, "fix", "", "publish the event of this file in the record's place")
	command.Flags().BoolVar(&flags.yes, "yes", false, "do not ask")
	command.Flags().StringVar(&flags.by, "by", "", "who releases (default user@host)")
	command.Flags().BoolVar(&flags.wait, "wait", false, "wait until every projection has the events")
	command.Flags().DurationVar(&flags.timeout, "timeout", 10*time.Minute, "how long to wait at most")
	a.jsonFlag(command, `an object of records, ready (a number for each type), released, still_invalid (position, code, path, message),
counting (position, event_id, at), conflicts (the same), accounts (ledger, account, asset_code, debits, credits), revenue (stream,
owner, asset_code, gross, refunds, fees), payments, receivers, published, positions (of, as); nothing is published without --yes`)
	return command
}

// choose reads the positions, of which there are none where a reason or all are meant.
func (f *releaseFlags) choose(args []string) ([]eventlog.Position, error) {
	ways := 0
	for _, way := range []bool{len(args) > 0, f.reason != "", f.all} {
		if way {
			ways++
		}
	}
	switch {
	case ways == 0:
		return nil, usagef("name positions, or --reason, or --all")
	case ways > 1:
		return nil, usagef("only one of positions, --reason and --all says what to release")
	}
	if err := checkReason(f.reason); err != nil {
		return nil, err
	}
	if f.fix != "" && len(args) != 1 {
		return nil, usagef("--fix is for one position")
	}
	positions := make([]eventlog.Position, len(args))
	for i, arg := range args {
		var err error
		if positions[i], err = eventlog.ParsePosition(arg); err != nil {
			return nil, usageError{err}
		}
	}
	return positions, nil
}

func (a *app) release(ctx context.Context, chosen []eventlog.Position, flags releaseFlags) error {
	mended, err := a.mended(flags.fix)
	if err != nil {
		return err
	}
	if err := a.checkLog(ctx); err != nil {
		return err
	}
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		plan := newReleasePlan()
		source := refused{pool: pool, chosen: chosen, reason: flags.reason, mended: mended}
		if err := source.each(ctx, plan.take); err != nil {
			return err
		}
		plan.lists()
		if err := a.printPlan(plan); err != nil {
			return err
		}
		agreed, err := a.confirmed(ctx, plan, flags)
		if err != nil {
			return err
		}
		if agreed {
			if err := a.publishAgain(ctx, &source, plan, flags); err != nil {
				return err
			}
		}
		if a.asJSON {
			if err := a.printJSON(plan); err != nil {
				return err
			}
		}
		return plan.answer(agreed)
	})
}

// mended is the event of --fix.
func (a *app) mended(name string) (*ledger.Event, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // nothing is mended
	}
	line, err := os.ReadFile(name)
	if err != nil {
		return nil, usageError{plainPathError(err)}
	}
	event, invalid := ledger.DecodeJSON([]byte(strings.TrimSpace(string(line))), ledger.Strict)
	if invalid != nil {
		return nil, fmt.Errorf("%s holds no valid event: %w", name, invalid)
	}
	return event, nil
}

// confirmed tells whether to go on: with --yes, or when a person at a terminal says so.
func (a *app) confirmed(ctx context.Context, plan *releasePlan, flags releaseFlags) (bool, error) {
	switch {
	case len(plan.planned) == 0:
		return false, nil
	case flags.yes:
		return true, nil
	case a.asJSON || !isTerminal(a.stdin):
		a.notef("nothing was published: --yes publishes")
		return false, nil
	}
	_, _ = fmt.Fprintf(a.stderr, "publish %s again? [y/N] ", several(len(plan.planned), "event")) // nowhere is left to complain
	answer, err := unlessInterrupted(ctx, func() (string, error) {
		line, err := bufio.NewReader(a.stdin).ReadString('\n')
		if err != nil {
			return "", nil //nolint:nilerr // no answer is no
		}
		return line, nil
	})
	if err != nil {
		return false, err
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	if answer == "y" || answer == "yes" {
		return true, nil
	}
	a.notef("nothing was published")
	return false, nil
}

// releaser is who releases, as the log keeps it.
func releaser(by string) string {
	if by != "" {
		return by
	}
	name, host := "somebody", "somewhere"
	if current, err := user.Current(); err == nil {
		name = current.Username
	}
	if known, err := os.Hostname(); err == nil {
		host = known
	}
	return name + "@" + host
}

// publishAgain publishes what was planned, and nothing else: what is no longer so is left out.
func (a *app) publishAgain(ctx context.Context, source *refused, plan *releasePlan, flags releaseFlags) error {
	kafka, err := a.kafka(a.logger(slog.LevelWarn))
	if err != nil {
		return err
	}
	writer, err := eventlog.NewWriter(kafka)
	if err != nil {
		return err
	}
	defer writer.Close()
	bar := a.startProgress(ctx, "publishing", int64(len(plan.planned)), countEvents)
	defer bar.end()
	sent := &releasing{sending: sending{last: map[eventlog.TopicPartition]int64{}}, plan: plan, bar: bar}
	by := releaser(flags.by)
	err = source.each(ctx, func(judged []judged) error {
		for i := range judged {
			one := &judged[i]
			if one.standing != isReady || !plan.planned[one.at] {
				continue
			}
			sent.published++
			writer.PublishReleased(ctx, one.event, one.key, eventlog.Release{Of: one.at, By: by}, func(at eventlog.Position, err error) {
				sent.acknowledge(one.at, at, err)
			})
		}
		return sent.failure()
	})
	if err == nil {
		err = writer.Flush(ctx)
	}
	bar.end()
	if err := sent.outcome(err, sent.published); err != nil {
		return err
	}
	plan.Published = sent.published
	if !a.asJSON {
		if err := a.printf("published %s again, as %s\n", several(sent.published, "event"), by); err != nil {
			return err
		}
	}
	if !flags.wait {
		return nil
	}
	if err := a.awaitProjections(ctx, sent.ends(), flags.timeout); err != nil {
		return err
	}
	if a.asJSON {
		return nil
	}
	return a.printf("every projection has them\n")
}

// releasing follows events until they are acknowledged, and notes where they lie.
type releasing struct {
	sending

	plan *releasePlan
	bar  *progress
	at   sync.Mutex
}

func (r *releasing) acknowledge(of, as eventlog.Position, err error) {
	r.done(as, err)
	if err != nil {
		return
	}
	r.bar.add(1)
	r.at.Lock()
	defer r.at.Unlock()
	r.plan.Positions = append(r.plan.Positions, releasedAs{of.String(), as.String()})
}

func (r *releasing) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// answer is no where something that was asked for was not published, and does not count already.
func (p *releasePlan) answer(agreed bool) error {
	switch {
	case len(p.planned) > 0 && !agreed, len(p.Conflicts) > 0, len(p.StillInvalid) > 0:
		return errNo
	default:
		return nil
	}
}

var errNotQuarantined = errors.New("the quarantine has no record there")
