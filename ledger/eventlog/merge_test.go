package eventlog

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
)

// scattered writes events over all partitions of a topic; the nth of each three is recorded a second after the one before.
func scattered(t testing.TB, config Config, events int, began time.Time) {
	t.Helper()
	stacktest.KeepWritersTimes(t, config.Brokers, Topics()...)
	client, err := NewClient(config, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	require.NoError(t, err)
	defer client.Close()
	records := make([]*kgo.Record, events)
	for n := range records {
		record, bad := Encode(sample(t, ledger.TypePaymentPosted, n))
		require.Nil(t, bad)
		record.Partition = int32(n*7%testPartitions + n/5%2)
		record.Partition %= testPartitions
		record.Timestamp = began.Add(time.Duration(n/3) * time.Second)
		records[n] = record
	}
	require.NoError(t, client.ProduceSync(t.Context(), records...).FirstErr())
}

func TestTheMergeIsInTheOrderOfTime(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	const events = 2000
	scattered(t, config, events, time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC))
	part := wholeLog(t, admin)
	var seen []Record
	require.NoError(t, ReadMerged(t.Context(), config, part, func(*Record) bool { return true }, func(record *Record) error {
		seen = append(seen, *record)
		return nil
	}))
	require.Len(t, seen, events)
	for i := 1; i < len(seen); i++ {
		require.Negative(t, CompareRecorded(&seen[i-1], &seen[i]), "%s and %s", seen[i-1], seen[i])
	}
	var few int
	require.NoError(t, ReadMerged(t.Context(), config, part, func(record *Record) bool { return record.Offset%100 == 7 },
		func(record *Record) error {
			few++
			require.Equal(t, int64(7), record.Offset%100)
			return nil
		}))
	require.Positive(t, few)
	require.NoError(t, ReadMerged(t.Context(), config, Range{From: part.To, To: part.To}, nil, nil), "nothing is read of nothing")
}

// What comes of a partition comes in its order, even where a writer's clock went back.
func TestTheMergeKeepsThePartitionsOrder(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	scattered(t, config, 30, now)
	scattered(t, config, 30, now.Add(-time.Hour))
	next := map[TopicPartition]int64{}
	require.NoError(t, ReadMerged(t.Context(), config, wholeLog(t, admin), func(*Record) bool { return true },
		func(record *Record) error {
			require.Equal(t, next[record.TopicPartition()], record.Offset)
			next[record.TopicPartition()]++
			return nil
		}))
	total := int64(0)
	for _, offset := range next {
		total += offset
	}
	require.Equal(t, int64(60), total)
}

func TestTheMergeEndsWithAnError(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	scattered(t, config, 3000, time.Now())
	part := wholeLog(t, admin)
	enough := errors.New("enough")
	n := 0
	err := ReadMerged(t.Context(), config, part, func(*Record) bool { return true }, func(*Record) error {
		n++
		if n == 100 {
			return enough
		}
		return nil
	})
	require.ErrorIs(t, err, enough)
	require.Equal(t, 100, n)
	ctx, cancel := context.WithCancel(t.Context())
	err = ReadMerged(ctx, config, part, func(*Record) bool { return true }, func(*Record) error {
		cancel()
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
	for p := range part.To {
		part.To[p] += 1000
	}
	err = ReadMerged(t.Context(), config, part, func(*Record) bool { return true }, func(*Record) error { return nil })
	require.ErrorIs(t, err, ErrTruncated)
}

func TestOffsetsAtATime(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	began := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	scattered(t, config, 300, began)
	at, err := admin.OffsetsAt(t.Context(), began.Add(50*time.Second))
	require.NoError(t, err)
	part := wholeLog(t, admin)
	part.From = at
	seen := 0
	require.NoError(t, ReadMerged(t.Context(), config, part, func(*Record) bool { return true }, func(record *Record) error {
		if !record.RecordedAt.Before(began.Add(50 * time.Second)) {
			seen++
		}
		return nil
	}))
	require.Equal(t, 150, seen)
	at, err = admin.OffsetsAt(t.Context(), began.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, part.To, at, "nothing is so late")
	at, err = admin.OffsetsAt(t.Context(), time.Unix(-5, 0))
	require.NoError(t, err)
	for p := range at {
		require.Zero(t, at[p])
	}
}
