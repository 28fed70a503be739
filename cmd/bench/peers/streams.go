package peers

import (
	"context"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

//go:embed streams/pom.xml
var streamsPOM []byte

//go:embed streams/jars.sha256
var streamsHashes []byte

//go:embed streams/Balances.java
var streamsProgram []byte

// Streams is Kafka Streams with exactly_once_v2, which adds entries up by account in a state store with a changelog: each record counts
// once, but an event that was published twice counts twice. The balances are in Kafka, for whoever asks this program.
type Streams struct {
	// Threads share the partitions; 0 means 2.
	Threads int
	// Keyed says that the topic's keys are accounts already (PrepareAccounts); else the entries are partitioned anew, through Kafka.
	Keyed bool
	// CommitEvery is how often transactions are committed; 0 means Streams' own default, a tenth of a second.
	CommitEvery time.Duration
}

// AccountSums are what an account was debited and credited, in units of 10^-18.
type AccountSums struct{ Debits, Credits *big.Int }

// Run reads a prepared topic of entries to its end, and returns the balances, by account key (ledger/account/asset), as well.
func (s Streams) Run(ctx context.Context, on Servers, from Prepared) (_ Outcome, _ map[string]AccountSums, err error) {
	application := fmt.Sprintf("peer-streams-%d", time.Now().UnixNano())
	result := filepath.Join(on.Dir, "outcome.json")
	program, err := s.start(ctx, on, from, application, result)
	if err != nil {
		return Outcome{}, nil, err
	}
	defer func() {
		err = errors.Join(err, stop(ctx, program), deleteTopics(context.WithoutCancel(ctx), on.Kafka, application))
	}()
	select {
	case <-program.Done():
	case <-ctx.Done():
		return Outcome{}, nil, context.Cause(ctx)
	}
	var told struct {
		First   int64   `json:"first"`
		Seconds float64 `json:"seconds"`
	}
	raw, err := os.ReadFile(result)
	if err != nil {
		return Outcome{}, nil, fmt.Errorf("%w: %w", err, program.Ended())
	}
	if err := json.Unmarshal(raw, &told); err != nil {
		return Outcome{}, nil, fmt.Errorf("what Kafka Streams told: %w", err)
	}
	balances, entries, err := changelog(ctx, on.Kafka, application+"-balances-changelog")
	if err != nil {
		return Outcome{}, nil, err
	}
	if entries != from.Rows {
		return Outcome{}, nil, fmt.Errorf("the changelog of Kafka Streams has %d entries of %d", entries, from.Rows)
	}
	return after(from, told.First, told.Seconds), balances, nil
}

func (s Streams) start(ctx context.Context, on Servers, from Prepared, application, result string) (*devstack.Java, error) {
	settings := map[string]string{
		"application.id": application, "bootstrap.servers": strings.Join(on.Kafka.Brokers, ","),
		"processing.guarantee": "exactly_once_v2", "num.stream.threads": strconv.Itoa(max(s.Threads, 2)), //nolint:mnd // The default.
		"state.dir": filepath.Join(on.Dir, application), "auto.offset.reset": "earliest", "replication.factor": "1",
		"statestore.cache.max.bytes": strconv.Itoa(64 << 20), "topology.optimization": "all",
		"max.poll.records": "5000", "buffered.records.per.partition": "10000",
	}
	if s.CommitEvery > 0 {
		settings["commit.interval.ms"] = strconv.FormatInt(s.CommitEvery.Milliseconds(), 10)
	}
	file, err := writeProperties(on.Dir, "streams.properties", settings)
	if err != nil {
		return nil, err
	}
	source := filepath.Join(on.Dir, "Balances.java")
	if err := os.WriteFile(source, streamsProgram, 0o600); err != nil {
		return nil, fmt.Errorf("write the program for Kafka Streams: %w", err)
	}
	keys := "rekey"
	if s.Keyed {
		keys = "keyed"
	}
	return devstack.StartJava(ctx, devstack.JavaProgram{
		Name: "Kafka Streams", Jars: devstack.Jars{Name: "peer-streams", POM: streamsPOM, Hashes: streamsHashes}, HeapMB: peerHeapMB,
		Args: []string{source, file, from.Topic, strconv.FormatInt(from.Rows, 10), keys, result}, Dir: on.Dir, Logger: on.Kafka.Logger,
	})
}

// changelog reads what was committed of a state store, and of how many entries it is.
func changelog(ctx context.Context, kafka eventlog.Config, topic string) (map[string]AccountSums, int64, error) {
	client, err := eventlog.NewClient(kafka, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	if err != nil {
		return nil, 0, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListCommittedOffsets(ctx, topic)
	if err = errors.Join(err, ends.Error()); err != nil {
		return nil, 0, fmt.Errorf("where the changelog ends: %w", err)
	}
	left := map[int32]int64{}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			left[end.Partition] = end.Offset
		}
	})
	values := map[string][]byte{}
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := errors.Join(fetches.Err0(), context.Cause(ctx)); err != nil {
			return nil, 0, fmt.Errorf("read the changelog: %w", err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if !record.Attrs.IsControl() {
				values[string(record.Key)] = record.Value
			}
			if record.Offset+1 >= left[record.Partition] {
				delete(left, record.Partition)
			}
		})
	}
	return decodeSums(values)
}

// deleteTopics deletes what an application of Kafka Streams has made for itself.
func deleteTopics(ctx context.Context, kafka eventlog.Config, application string) error {
	client, err := eventlog.NewClient(kafka)
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	topics, err := admin.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list the topics of Kafka Streams: %w", err)
	}
	own := slices.DeleteFunc(topics.Names(), func(topic string) bool { return !strings.HasPrefix(topic, application) })
	if len(own) == 0 {
		return nil
	}
	if _, err := admin.DeleteTopics(ctx, own...); err != nil {
		return fmt.Errorf("delete the topics of Kafka Streams: %w", err)
	}
	return nil
}

// decodeSums reads what Balances.java writes: how many entries, and two sums, big endian.
func decodeSums(values map[string][]byte) (map[string]AccountSums, int64, error) {
	const counted, sum = 8, 32
	var entries int64
	balances := make(map[string]AccountSums, len(values))
	for account, value := range values {
		if len(value) != counted+2*sum {
			return nil, 0, fmt.Errorf("the changelog has %d bytes for %s", len(value), account)
		}
		entries += int64(binary.BigEndian.Uint64(value)) //nolint:gosec // A count.
		balances[account] = AccountSums{
			Debits:  new(big.Int).SetBytes(value[counted : counted+sum]),
			Credits: new(big.Int).SetBytes(value[counted+sum:]),
		}
	}
	return balances, entries, nil
}
