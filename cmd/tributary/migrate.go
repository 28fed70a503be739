package main

import (
	"context"
	"errors"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/views"
)

func newMigrateCommand(a *app) *cobra.Command {
	var topics eventlog.TopicSettings
	command := &cobra.Command{
		Use:   "migrate",
		Short: "Create or upgrade topics and tables",
		Long: `Creates the topics and tables that are missing, and upgrades those that are there. It is safe to run again, and for two
to run at once. Where no ClickHouse is configured, its tables are left out. Topics whose
settings could lose an event are refused, with the command that mends them.`,
		Example: `  tributary migrate
  tributary migrate --partitions 24 --json | jq .topics`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			if topics.Partitions < 0 || topics.Replication < 0 {
				return usagef("--partitions and --replication count from 1")
			}
			return a.migrate(command.Context(), topics)
		},
	}
	command.Flags().IntVar(&topics.Partitions, "partitions", 0, "partitions of a topic; those with fewer get more (default 12 in new ones)")
	command.Flags().IntVar(&topics.Replication, "replication", 0, "copies of a record in new topics (default 3 with 3 brokers, else 1)")
	a.jsonFlag(command, "an object of topics and tables (what was done, a string each), problems, left_out (projections)")
	return command
}

// migration is what migrate did, as --json prints it.
type migration struct {
	Topics   []string           `json:"topics"`
	Tables   []string           `json:"tables"`
	Problems []eventlog.Problem `json:"problems"`
	// LeftOut are the projections whose tables were not made, because their server is not configured.
	LeftOut []string `json:"left_out"`
}

func (a *app) migrate(ctx context.Context, topics eventlog.TopicSettings) error {
	done, err := a.migrateAll(ctx, topics)
	if refused, ok := errors.AsType[*eventlog.ProblemsError](err); ok {
		if a.asJSON {
			if err := a.printJSON(migration{Topics: []string{}, Tables: []string{}, Problems: refused.Problems, LeftOut: []string{}}); err != nil {
				return err
			}
		}
		a.warnOfProblems(refused.Problems)
		a.notef("tributary: refused; nothing was changed")
		return errNo
	}
	if err != nil {
		return err
	}
	if a.asJSON {
		return a.printJSON(done)
	}
	a.warnOfProblems(done.Problems)
	if len(done.LeftOut) > 0 {
		a.notef("%s is left out: %s", strings.Join(done.LeftOut, ", "), leftOutReason)
	}
	if len(done.Topics)+len(done.Tables) == 0 {
		return a.printf("topics and tables are up to date\n")
	}
	for _, line := range append(done.Topics, done.Tables...) {
		if err := a.printf("%s\n", line); err != nil {
			return err
		}
	}
	return nil
}

// migrateAll brings topics and tables up to date, without a word.
func (a *app) migrateAll(ctx context.Context, topics eventlog.TopicSettings) (migration, error) {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return migration{}, err
	}
	defer admin.Close()
	pool, err := a.openPostgres(ctx)
	if err != nil {
		return migration{}, err
	}
	defer pool.Close()
	done := migration{LeftOut: a.leftOut(projectionNames())}
	var warehouse driver.Conn
	if len(done.LeftOut) == 0 {
		if warehouse, err = a.openClickHouse(ctx); err != nil {
			return done, err
		}
		defer warehouse.Close() //nolint:errcheck // all is done, or told
	}
	if done.Topics, err = admin.Ensure(ctx, topics); err != nil {
		return done, err
	}
	if done.Problems, err = admin.Check(ctx); err != nil {
		return done, err
	}
	if done.Tables, err = postgres.Migrate(ctx, pool, keptInPostgres(pool), views.Migrations()); err != nil {
		return done, err
	}
	if warehouse != nil {
		made, err := clickhouse.Migrate(ctx, pool, warehouse, clickhouseProjections())
		if err != nil {
			return done, a.explainClickHouse(err)
		}
		done.Tables = append(done.Tables, made...)
	}
	done.Topics, done.Tables, done.Problems = notNil(done.Topics), notNil(done.Tables), notNil(done.Problems)
	done.LeftOut = notNil(done.LeftOut)
	return done, nil
}

// notNil makes JSON say [] and not null.
func notNil[T any](all []T) []T {
	if all == nil {
		return []T{}
	}
	return all
}

// warnOfProblems says loudly which topics are set so that events can be lost, and less so what is weaker than it should be.
func (a *app) warnOfProblems(problems []eventlog.Problem) {
	for _, problem := range problems {
		word := "warning"
		if problem.Severity == eventlog.SeverityFatal {
			word = "DANGER"
		}
		a.notef("%s: topic %s has %s = %s, must be %s: %s\n  fix: %s",
			word, problem.Topic, problem.Setting, problem.Found, problem.Want, problem.Danger, problem.Fix)
	}
}
