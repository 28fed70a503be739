package devstack_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestAnAcknowledgedRecordSurvivesBrokers(t *testing.T) {
	t.Parallel()
	kafka := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{Brokers: 3})
	client := connect(t, kafka.Brokers())
	_, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, -1, nil, topic)
	require.NoError(t, err)
	require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("first")}).FirstErr())

	topics, err := kadm.NewClient(client).ListTopics(t.Context(), topic)
	require.NoError(t, err)
	leader := kafka.Broker(int(topics[topic].Partitions[0].Leader))
	require.NoError(t, leader.Kill())
	require.NoError(t, client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("second")}).FirstErr())
	require.NoError(t, leader.Restart(t.Context()))

	consumer := connect(t, kafka.Brokers(), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var values []string
	for len(values) < 2 {
		fetches := consumer.PollFetches(t.Context())
		require.NoError(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	require.Equal(t, []string{"first", "second"}, values)
}

func TestABrokerThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	stacktest.NeedApacheKafka(t)
	_, err := devstack.StartApacheKafka(t.Context(), devstack.ApacheKafkaConfig{
		Dir: stacktest.Dir(t), Configs: map[string]string{"num.io.threads": "none"},
	})
	require.ErrorContains(t, err, "num.io.threads")
}
