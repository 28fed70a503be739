package eventlog

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// kafka gives tests their Kafka: an embedded one, which each has for itself, or the real one, on which tests take turns.
type kafka struct {
	name string
	real bool
}

func eachKafka() []kafka { return []kafka{{name: "embedded"}, {name: "apache", real: true}} }

// config is an empty Kafka of at least so many brokers. A test may ask once, or its subtests may, each once.
func (k kafka) config(t testing.TB, brokers int) Config {
	t.Helper()
	if k.real {
		return Config{Brokers: stacktest.SharedApacheKafka(t).Brokers()}
	}
	return Config{Brokers: stacktest.Cluster(t, devstack.KafkaConfig{Brokers: brokers}).Brokers()}
}

// log is a Kafka with the ledger's topics, and nothing in them.
func (k kafka) log(t testing.TB) (Config, *Admin) {
	t.Helper()
	config := k.config(t, 1)
	return config, testTopics(t, config)
}

// awaitEnd waits until a partition's committed end is there: a transaction's coordinator answers when its outcome is decided, and tells
// the partitions after that.
func awaitEnd(t testing.TB, admin *Admin, p TopicPartition, end int64) {
	t.Helper()
	require.Eventually(t, func() bool {
		ends, err := admin.EndOffsets(t.Context(), p.Topic)
		return err == nil && ends[p] == end
	}, time.Minute, 10*time.Millisecond)
}

// awaitEnds waits until no transaction is open, and returns the ends of all partitions.
func awaitEnds(t testing.TB, admin *Admin) map[TopicPartition]int64 {
	t.Helper()
	var ends map[TopicPartition]int64
	require.Eventually(t, func() bool {
		last, err := admin.offsets(t.Context(), "end", admin.client.ListEndOffsets, nil)
		if err != nil {
			return false
		}
		ends, err = admin.EndOffsets(t.Context())
		return err == nil && maps.Equal(last, ends)
	}, time.Minute, 10*time.Millisecond)
	return ends
}
