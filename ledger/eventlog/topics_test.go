package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
)

func testAdmin(t testing.TB, config Config) *Admin {
	t.Helper()
	admin, err := NewAdmin(config)
	require.NoError(t, err)
	t.Cleanup(admin.Close)
	return admin
}

func TestEnsureMakesTheTopicsOnce(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config := k.config(t, 1)
			admin := testAdmin(t, config)
			problems, err := admin.Check(t.Context())
			require.NoError(t, err)
			require.Len(t, problems, 3)
			require.Empty(t, Fatal(problems))
			cluster, err := admin.Describe(t.Context())
			require.NoError(t, err)
			require.True(t, cluster.Topics[0].Missing)

			changes, err := admin.Ensure(t.Context(), TopicSettings{})
			require.NoError(t, err)
			require.Len(t, changes, 3)
			require.Contains(t, changes, fmt.Sprintf("created tributary.payments: 12 partitions, replication %d", len(config.Brokers)))
			for _, settings := range []TopicSettings{{}, {Partitions: 5}} {
				changes, err = admin.Ensure(t.Context(), settings)
				require.NoError(t, err)
				require.Empty(t, changes)
			}
			changes, err = admin.Ensure(t.Context(), TopicSettings{Partitions: 14})
			require.NoError(t, err)
			require.Contains(t, changes, "grew tributary.payments from 12 to 14 partitions")

			problems, err = admin.Check(t.Context())
			require.NoError(t, err)
			require.Empty(t, problems)
			// Brokers learn of partitions one after the other, and any of them may answer.
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				cluster, err = admin.Describe(t.Context())
				require.NoError(c, err)
				require.NotEmpty(c, cluster.Brokers)
				for _, topic := range cluster.Topics {
					require.False(c, topic.Missing)
					require.NotEmpty(c, topic.ID)
					require.Len(c, topic.Partitions, 14)
				}
			}, 20*time.Second, 10*time.Millisecond)
			require.NoError(t, admin.Ping(t.Context()))
		})
	}
}

func TestEnsureByManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config := k.config(t, 3)
			group, ctx := errgroup.WithContext(t.Context())
			for i := range 4 {
				admin := testAdmin(t, config)
				group.Go(func() error {
					_, err := admin.Ensure(ctx, TopicSettings{Partitions: 4 + i%2})
					return err
				})
			}
			require.NoError(t, group.Wait())
			admin := testAdmin(t, config)
			require.EventuallyWithT(t, func(c *assert.CollectT) { // brokers hear of partitions one by one
				problems, err := admin.Check(t.Context())
				require.NoError(c, err)
				require.Empty(c, problems)
				cluster, err := admin.Describe(t.Context())
				require.NoError(c, err)
				for _, topic := range cluster.Topics {
					require.Len(c, topic.Partitions, 5)
					require.Equal(c, 3, topic.Partitions[0].Replicas)
				}
			}, 30*time.Second, 50*time.Millisecond)
		})
	}
}

// What can lose events is refused, and nothing is touched; what is merely weak is told.
func TestTopicsThatCouldLoseEventsAreRefused(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			cases := []struct {
				setting, value string
				severity       Severity
				embedded       bool // is enough
			}{
				{"cleanup.policy", "compact", SeverityFatal, true},
				{"cleanup.policy", "compact,delete", SeverityFatal, false},
				{"retention.ms", "604800000", SeverityFatal, true},
				{"retention.bytes", "1073741824", SeverityFatal, true},
				{"unclean.leader.election.enable", "true", SeverityFatal, true},
				{"min.insync.replicas", "1", SeverityWarning, false},
				{"max.message.bytes", "1048588", SeverityWarning, true},
				{"message.timestamp.type", "CreateTime", SeverityWarning, false},
			}
			for _, c := range cases {
				if k.real && c.embedded {
					continue
				}
				t.Run(c.setting+"="+c.value, func(t *testing.T) {
					t.Parallel()
					config := k.config(t, 3)
					admin := testAdmin(t, config)
					createTopic(t, admin, TopicReceivers, c.setting, c.value)
					problems, err := admin.Check(t.Context())
					require.NoError(t, err)
					require.Len(t, problems, 3, "two missing, and this")
					found := problems[2]
					require.Equal(t, []string{TopicReceivers, c.setting, c.value}, []string{found.Topic, found.Setting, found.Found})
					require.Equal(t, c.severity, found.Severity)
					require.Equal(t, "kafka-configs.sh --bootstrap-server "+config.Brokers[0]+" --alter --entity-type topics --entity-name "+
						TopicReceivers+" --add-config "+c.setting+"="+found.Want, found.Fix)

					_, err = admin.Ensure(t.Context(), TopicSettings{Partitions: 2})
					if c.severity == SeverityWarning {
						require.NoError(t, err)
						return
					}
					var refused *ProblemsError
					require.ErrorAs(t, err, &refused)
					require.ErrorContains(t, err, found.Fix)
					cluster, err := admin.Describe(t.Context())
					require.NoError(t, err)
					require.True(t, cluster.Topics[0].Missing, "nothing was made")
				})
			}
		})
	}
}

func createTopic(t testing.TB, admin *Admin, topic, setting, value string) {
	t.Helper()
	configs := make(map[string]*string)
	for key, wanted := range wantedConfigs(brokersForReplication) {
		configs[key] = &wanted
	}
	configs[setting] = &value
	answers, err := admin.client.CreateTopics(t.Context(), 2, brokersForReplication, configs, topic)
	require.NoError(t, err)
	require.NoError(t, answers.Error())
	awaitTopic(t, admin.config, topic)
}

// awaitTopic waits until each broker knows the topic: they hear of it one by one.
func awaitTopic(t testing.TB, config Config, topic string) {
	t.Helper()
	for _, broker := range config.Brokers {
		one := config
		one.Brokers = []string{broker}
		require.Eventually(t, func() bool {
			admin, err := NewAdmin(one) // a new client asks its seed first
			if err != nil {
				return false
			}
			defer admin.Close()
			topics, err := admin.client.ListTopics(t.Context())
			return err == nil && len(topics[topic].Partitions) > 0 && topics[topic].Err == nil
		}, time.Minute, 20*time.Millisecond)
	}
}

func TestADeletedBeginningIsTold(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			_, admin := harmable(t, k)
			deleteRecords(t, admin, lostPartition(), 10)
			problems, err := admin.Check(t.Context())
			require.NoError(t, err)
			require.Len(t, problems, 1)
			require.Equal(t, "log start of partition 1", problems[0].Setting)
			require.Equal(t, "10", problems[0].Found)
		})
	}
}

func TestPublishingToNoTopicNamesTheRemedy(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config := k.config(t, 1)
			_, err := testWriter(t, config).PublishAll(t.Context(), samples(t, 2))
			require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
			require.ErrorContains(t, err, "tributary migrate")
			topics, err := testAdmin(t, config).client.ListTopics(t.Context())
			require.NoError(t, err)
			require.Empty(t, topics, "a topic was made by producing to it")
		})
	}
}

func TestABrokerThatTakesLessNamesTheEvent(t *testing.T) {
	t.Parallel()
	for _, k := range eachKafka() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			config := k.config(t, brokersForReplication)
			createTopic(t, testAdmin(t, config), TopicPayments, "max.message.bytes", "300")
			event := sample(t, ledger.TypePaymentPosted, 1)
			_, err := testWriter(t, config).PublishAll(t.Context(), []*ledger.Event{event})
			require.ErrorIs(t, err, kerr.MessageTooLarge)
			require.ErrorContains(t, err, event.ID.String())
			require.ErrorContains(t, err, "max.message.bytes")
		})
	}
}

func TestUnreachableBrokersAreNamed(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	config := Config{Brokers: []string{address}}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	err = testAdmin(t, config).Ping(ctx)
	require.ErrorIs(t, err, ErrUnreachable)
	require.ErrorContains(t, err, address)
	require.ErrorContains(t, err, "TRIBUTARY_KAFKA_BROKERS")

	writer := testWriter(t, config)
	cancel()
	positions, err := writer.PublishAll(ctx, samples(t, 2))
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrUncertain, "it was not even tried")
	require.Equal(t, int64(-1), positions[0].Offset)
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	positions, err = writer.PublishAll(ctx, samples(t, 2))
	require.ErrorIs(t, err, ErrUncertain)
	require.Equal(t, int64(-1), positions[0].Offset)
}

func TestConfigSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]Config{
		"TRIBUTARY_KAFKA_BROKERS": {},
		"empty Kafka broker":      {Brokers: []string{"a:1", " "}},
		"GSSAPI":                  {Brokers: []string{"a:1"}, SASL: SASL{Mechanism: "GSSAPI"}},
		"no SASL mechanism":       {Brokers: []string{"a:1"}, SASL: SASL{Username: "u"}},
	} {
		_, err := NewWriter(config)
		require.ErrorContains(t, err, want)
	}
	_, err := LoadTLS("/does/not/exist", "", "")
	require.ErrorContains(t, err, "/does/not/exist")
	for _, mechanism := range []string{SASLPlain, SASLScramSHA256, SASLScramSHA512} {
		require.NoError(t, Config{Brokers: []string{"a:1"}, SASL: SASL{Mechanism: mechanism}}.Validate())
	}
}

func TestClassify(t *testing.T) {
	t.Parallel()
	for want, errs := range map[ErrorKind][]error{
		KindNone:    {nil},
		KindStopped: {context.Canceled},
		KindRetriable: {
			errors.New("what"), kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.TopicAuthorizationFailed,
			context.DeadlineExceeded,
		},
		KindLogLost: {ErrRecreated, ErrTruncated, kerr.OffsetOutOfRange, kerr.UnknownTopicID},
		KindFatal:   {ErrFenced, kerr.ProducerFenced, kerr.UnsupportedVersion},
	} {
		for _, err := range errs {
			require.Equal(t, want, Classify(err), "%v", err)
			if err != nil {
				explained := ExplainFetch(lostPartition(), err)
				require.Equal(t, want, Classify(explained))
				require.ErrorIs(t, explained, err)
				require.NotContains(t, explained.Error(), "\n")
			}
		}
	}
}

// Within one registry each of a process's clients shows its metrics under its own id.
func TestClientsShareARegistry(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	config := Config{Brokers: stacktest.Kafka(t), ClientID: "serve", Metrics: registry, Logger: slog.New(slog.DiscardHandler)}
	testTopics(t, config)
	_, err := testWriter(t, config).PublishAll(t.Context(), samples(t, 3))
	require.NoError(t, err)
	_, err = testAtomicWriter(t, config, "door-1").PublishAtomic(t.Context(), samples(t, 3))
	require.NoError(t, err)
	families, err := registry.Gather()
	require.NoError(t, err)
	clients := make(map[string]bool)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				clients[label.GetValue()] = true
			}
		}
	}
	require.True(t, clients["serve-writer"])
	require.True(t, clients["serve-atomic"])
}

func TestAControlRecordIsNoRejection(t *testing.T) {
	t.Parallel()
	got := Decode(&kgo.Record{Topic: TopicPayments, Value: []byte{0, 0}, Attrs: kgo.NewRecordAttrs(kgo.RecordAttrsOpts{Control: true})})
	require.True(t, got.Control)
	require.Nil(t, got.Event)
	require.Nil(t, got.Rejected)
}
