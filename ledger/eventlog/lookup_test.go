package eventlog

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a lookup gives is what a reader of everything meets there, whatever is asked for, and nothing where there is nothing.
func TestLooksUpWhatLiesAtPositions(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	atomically := testAtomicWriter(t, config, "door-1")
	_, err := atomically.PublishAtomic(t.Context(), samples(t, 40)) // its end takes up an offset of each partition
	require.NoError(t, err)
	_, err = testWriter(t, config).PublishAll(t.Context(), samples(t, 3000))
	require.NoError(t, err)
	produceRaw(t, config, &kgo.Record{Topic: TopicPayments, Value: []byte("{ broken")})

	all := map[Position]Record{}
	ends := wholeLog(t, admin)
	var offsets []Position
	for p, records := range readAll(t, config, ends).records {
		for _, r := range records {
			all[r.Position] = r
		}
		for offset := range ends.To[p] {
			offsets = append(offsets, p.At(offset))
		}
	}
	require.Less(t, len(all), len(offsets), "no offset is taken up by a transaction's end")
	random := rand.New(rand.NewPCG(1, 2))
	lookup, err := NewLookup(config)
	require.NoError(t, err)
	defer lookup.Close()
	for _, n := range []int{0, 1, 7, 300, len(offsets) + 100} {
		asked := make([]Position, n)
		for i := range asked {
			asked[i] = offsets[random.IntN(len(offsets))]
		}
		met := make([]int, n)
		require.NoError(t, lookup.Each(t.Context(), asked, func(i int, record *Record) error {
			met[i]++
			want, ok := all[asked[i]]
			require.Equal(t, ok, record != nil, asked[i])
			if ok {
				require.Equal(t, want, *record)
			}
			return nil
		}))
		for i := range met {
			require.Equal(t, 1, met[i])
		}
	}
}

func TestLookupNamesThePositionThatIsNotThere(t *testing.T) {
	t.Parallel()
	config, admin := testLog(t)
	positions, err := testWriter(t, config).PublishAll(t.Context(), samples(t, 100))
	require.NoError(t, err)
	records, err := ReadAt(t.Context(), config, positions)
	require.NoError(t, err)
	for i := range records {
		require.Equal(t, positions[i], records[i].Position)
	}
	for _, nowhere := range []Position{positions[3].TopicPartition().At(1 << 40), {Topic: TopicPayments, Partition: 77, Offset: 1}} {
		_, err = ReadAt(t.Context(), config, append(positions[:3:3], nowhere, positions[3]))
		require.ErrorIs(t, err, ErrNoRecord)
		require.ErrorContains(t, err, nowhere.String())
	}
	_, err = ReadAt(t.Context(), config, []Position{{Topic: "nothing"}})
	require.ErrorContains(t, err, "nothing")

	stop := errors.New("enough")
	lookup, err := NewLookup(config)
	require.NoError(t, err)
	defer lookup.Close()
	require.ErrorIs(t, lookup.Each(t.Context(), positions, func(int, *Record) error { return stop }), stop)

	p := positions[0].TopicPartition()
	deleteRecords(t, admin, p, positions[0].Offset+1)
	_, err = ReadAt(t.Context(), config, positions)
	require.ErrorIs(t, err, ErrTruncated)
	require.ErrorContains(t, err, positions[0].String()+" is wanted")
}
