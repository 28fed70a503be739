package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

func TestMigrateIsSafeToRunAgainAndTwiceAtOnce(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	both := []*running{b.start(t, "migrate"), b.start(t, "migrate", "--partitions", "12")}
	for _, one := range both {
		code := <-one.done
		one.done <- code
		require.Equal(t, exitDone, code, one.stderr)
	}
	said := both[0].stdout.String() + both[1].stdout.String()
	require.Contains(t, said, "created tributary.payments: 12 partitions")
	require.Contains(t, said, "balances: generation 1")
	require.Equal(t, "topics and tables are up to date\n", b.must(t, "migrate").stdout)

	grown := decode[migration](t, b.must(t, "migrate", "--partitions", "14", "--json").stdout)
	require.Len(t, grown.Topics, 3)
	require.Empty(t, grown.Tables)
}

func TestTopicsThatCouldLoseEventsAreRefusedLoudly(t *testing.T) {
	t.Parallel()
	b := newBooks(t)
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	week := "604800000"
	_, err = kadm.NewClient(client).CreateTopic(t.Context(), 1, 1, map[string]*string{"retention.ms": &week}, eventlog.TopicPayments)
	require.NoError(t, err)

	got := b.run(t, "migrate")
	require.Equal(t, exitNo, got.code)
	require.Empty(t, got.stdout)
	for _, words := range []string{"DANGER", "tributary.payments", "retention.ms = 604800000", "fix: kafka-configs.sh"} {
		require.Contains(t, got.stderr, words)
	}
	got = b.run(t, "migrate", "--json")
	require.Equal(t, exitNo, got.code)
	require.NotEmpty(t, decode[migration](t, got.stdout).Problems)

	got = b.run(t, "status", "--json")
	require.Equal(t, exitNo, got.code, got.stderr)
	require.Contains(t, got.stderr, "migrate") // the tables are not there either
	empty := migrated(t)
	b.environ = append([]string{"TRIBUTARY_KAFKA_BROKERS=" + b.kafka.Brokers[0]}, empty.environ[1])
	got = b.run(t, "status")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "DANGER")
	require.Contains(t, got.stderr, "can lose events")
}

// A newer program meets the tables of an older one where nobody has run migrate.
func TestOlderTablesAreToldFromNone(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.exec(t, `ALTER VIEW books.quarantine RENAME COLUMN released_by TO somebody`)
	got := b.run(t, "quarantine", "list")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, `the tables are of an older version: run "tributary migrate"`)
	require.Contains(t, got.stderr, "released_by")
}
