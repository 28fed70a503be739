package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// storyFlags say whose story is told.
type storyFlags struct {
	id, kind, ledger, post string
	limit                  int
}

// storyKinds are the things that have a story, as the first word of their events' types.
func storyKinds() []string {
	return []string{"payment", "receiver", "site", "settlement", "payout", "journal"}
}

func newStoryCommand(a *app) *cobra.Command {
	flags := storyFlags{}
	command := &cobra.Command{
		Use:   "story ID",
		Short: "Tell all that happened to a payment, receiver or site",
		Long: `Tells what happened to a payment, receiver, site, settlement, payout or journal, in the order of event times: each event with its
postings, the balances that they led to, and the state after it; further copies of an event, other contents under its id, and what
was refused and names it. An event's id or a receipt's will do, too.

The balance beside a posting is the account's behind that event, of all entries of the books in the order of event times (of
positions, where times are the same), as "get balance ACCOUNT --entries" lists them: a late event with an early time changes it.

The events are found by the index that the projection subjects keeps, and read from Kafka; what it does not have yet, or all where
there is none, is looked for in the log itself. So nothing is missing, however far the projections are; what the balances do not
have yet is said. Without Postgres all of the log is read, and there are no balances.`,
		Example: `  tributary story pay-1002
  tributary story rcv-7 --json | jq '.events[] | [.event.time, .event.type, .state]'
  tributary story tea-blog --post 1
  tributary story 019cad90-add0-72bf-8f15-cdd4e2b1d255    # of what the event is about`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			flags.id = args[0]
			if err := flags.check(); err != nil {
				return err
			}
			return a.story(command.Context(), flags)
		},
	}
	set := command.Flags()
	set.StringVar(&flags.kind, "kind", "", "which of several things with that id: payment, receiver, …")
	set.StringVar(&flags.ledger, "ledger", "", "only this ledger (default all)")
	set.StringVar(&flags.post, "post", "", "of a site, only what concerns this post")
	set.IntVar(&flags.limit, "limit", 200, "tell at most so many events, the latest") //nolint:mnd // some screens
	a.jsonFlag(command, `an object of kind, id, ledger, state, current (the payment or receiver as "get" prints it, null where the books
have none), events (position, recorded_at, event, state, in_books, postings with the balance of each, copies, conflicts), left_out (earlier
events beyond --limit), refused (position, recorded_at, reason, path, message), same_transaction (payments), scanned (records of
the log that were read without the index)`)
	return command
}

func (f *storyFlags) check() error {
	if f.limit < 1 {
		return usagef("--limit counts from 1")
	}
	if f.kind != "" && !slices.Contains(storyKinds(), f.kind) {
		return usagef("--kind %q has no story: %s%s", f.kind, strings.Join(storyKinds(), ", "), didYouMean(f.kind, storyKinds()))
	}
	if f.post != "" && f.kind != "" && f.kind != kindSite {
		return usagef("--post is of a site")
	}
	if f.post != "" {
		f.kind = kindSite
	}
	return nil
}

// teller is one run of story.
type teller struct {
	*app

	flags storyFlags
	kafka eventlog.Config
	pool  *pgxpool.Pool // nil where there is no Postgres
}

func (a *app) story(ctx context.Context, flags storyFlags) error {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	t := &teller{app: a, flags: flags}
	if t.kafka, err = a.kafka(a.logger(slog.LevelError)); err != nil {
		return err
	}
	if a.settings.get("postgres.url") != "" {
		if t.pool, err = a.openPostgres(ctx); err != nil {
			return err
		}
		defer t.pool.Close()
	}
	if err := t.atPosition(ctx); err != nil {
		return err
	}
	found, err := t.find(ctx, admin, t.flags.id)
	if err != nil {
		return explainTables(err)
	}
	if len(found.groups())+len(found.others) == 0 {
		if found, err = t.findBehind(ctx, admin, found); err != nil {
			return explainTables(err)
		}
	}
	told, err := t.choose(found)
	if err != nil {
		return err
	}
	if err := t.complete(ctx, told); err != nil {
		return explainTables(err)
	}
	if a.asJSON {
		return a.printJSON(told.document())
	}
	return a.printStory(told)
}

// read runs some reads of the books in one snapshot.
func (t *teller) read(ctx context.Context, fn func(pgx.Tx) error) error {
	tx, err := t.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return fmt.Errorf("read the books: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // it has changed nothing
	return fn(tx)
}

// choose is the one thing that the id is of.
func (t *teller) choose(found *foundStory) (*toldStory, error) {
	groups := found.groups()
	switch len(groups) {
	case 0:
		return nil, t.nothingKnown(found)
	case 1:
		return found.told(groups[0]), nil
	}
	var out strings.Builder
	for _, g := range groups {
		fmt.Fprintf(&out, "\n  tributary story %s --kind %s --ledger %s    # %s", found.id, g.kind, g.ledger, several(found.count[g], "event"))
	}
	return nil, fmt.Errorf("%q is the id of several things; say which:%s", found.id, out.String())
}

func (t *teller) nothingKnown(found *foundStory) error {
	if len(found.refused) > 0 {
		for _, r := range found.refused {
			t.notef("refused: %s", r.line())
		}
		return fmt.Errorf("the log has no valid event about %q, only %s that may name it", found.id,
			several(len(found.refused), "refused record"))
	}
	if len(found.others) > 0 {
		return t.leftOut(found)
	}
	return fmt.Errorf("the log has no event about %q%s%s", found.id, t.flags.asked(), found.hint)
}

// asked is what the flags narrow it to.
func (f *storyFlags) asked() string {
	return after(" in ledger ", f.ledger) + after(" of kind ", f.kind)
}

// findBehind tries whether the id is an event's or a receipt's, and whose it then is.
func (t *teller) findBehind(ctx context.Context, admin *eventlog.Admin, found *foundStory) (*foundStory, error) {
	if t.pool == nil {
		return found, nil
	}
	var about, what string
	err := t.read(ctx, func(tx pgx.Tx) error {
		var err error
		if id, parseErr := uuid.Parse(found.id); parseErr == nil {
			about, what, err = t.aboutEvent(ctx, tx, id)
		} else {
			about, what, err = t.aboutReceipt(ctx, tx, found.id)
		}
		if err == nil && about == "" {
			err = t.otherThing(ctx, tx, found.id)
		}
		if err == nil && about == "" && len(found.refused) == 0 {
			found.hint, err = similar(ctx, tx, found.id)
		}
		return err
	})
	if err != nil && !errors.Is(err, postgres.ErrNotFound) {
		return nil, err
	}
	if about == "" {
		return found, nil
	}
	behind, err := t.find(ctx, admin, about)
	if err == nil && len(behind.groups()) > 0 {
		t.notef("%s is %s; this is its story", found.id, what)
	}
	return behind, err
}
