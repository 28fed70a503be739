package stacktest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// NeedApacheKafka skips the test where Apache Kafka cannot run, for want of Java or Maven.
func NeedApacheKafka(t testing.TB) {
	t.Helper()
	if err := devstack.ApacheKafkaHere(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was tested on Apache Kafka: %v", err)
	}
}

// ApacheKafka gives the test a cluster of real brokers of its own; it ends with the test. A start takes some 3 s, of three brokers 7 s. The
// test is skipped where Java or Maven is missing.
func ApacheKafka(t testing.TB, config devstack.ApacheKafkaConfig) *devstack.ApacheKafka {
	t.Helper()
	NeedApacheKafka(t)
	if config.Dir == "" {
		config.Dir = Dir(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	kafka, err := devstack.StartApacheKafka(ctx, config)
	require.NoError(t, err)
	t.Cleanup(func() { // nobody wants its data any more, so there is no need to stop in order
		require.NoError(t, kafka.Kill())
		stopped(t, kafka)
	})
	return kafka
}
