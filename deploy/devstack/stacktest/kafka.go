package stacktest

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// Kafka gives the test a cluster of its own, of one broker, in memory, and returns its addresses; it ends with the test.
func Kafka(t testing.TB) []string {
	t.Helper()
	return Cluster(t, devstack.KafkaConfig{}).Brokers()
}

// Cluster gives the test a cluster of its own, as config says: with a Dir, say t.TempDir(), what is in it survives Close and another
// OpenKafka. It ends with the test.
func Cluster(t testing.TB, config devstack.KafkaConfig) *devstack.Kafka {
	t.Helper()
	kafka, err := devstack.OpenKafka(t.Context(), config, slog.Default())
	require.NoError(t, err)
	t.Cleanup(kafka.Close)
	return kafka
}

// KafkaProcess gives the test a cluster in a process of its own, which it can kill, pause and restart; it ends with the test.
func KafkaProcess(t testing.TB, config devstack.KafkaConfig) *devstack.KafkaProcess {
	t.Helper()
	if config.Dir == "" {
		config.Dir = t.TempDir()
	}
	kafka, err := devstack.StartKafka(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { stopped(t, kafka) })
	return kafka
}

// KeepWritersTimes lets those who write to topics say when their records were recorded, as the broker does otherwise.
func KeepWritersTimes(t testing.TB, brokers []string, topics ...string) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...))
	require.NoError(t, err)
	defer client.Close()
	writers := []kadm.AlterConfig{{Name: "message.timestamp.type", Value: new("CreateTime")}}
	answers, err := kadm.NewClient(client).AlterTopicConfigs(t.Context(), writers, topics...)
	require.NoError(t, err)
	for _, answer := range answers {
		require.NoError(t, answer.Err)
	}
}
