package spill_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/audit/spill"
)

type record struct {
	order uint64
	bytes []byte
}

func sorted(t require.TestingT, s *spill.Sorter) []record {
	var all []record
	require.NoError(t, s.Each(func(order uint64, b []byte) error {
		all = append(all, record{order, bytes.Clone(b)})
		return nil
	}))
	return all
}

func ordered(a, b record) int {
	return cmp.Or(cmp.Compare(a.order, b.order), bytes.Compare(a.bytes, b.bytes))
}

func TestRecordsComeBackInOrder(t *testing.T) {
	t.Parallel()
	for seed, fillings := range [][]int{{}, {0}, {100}, {60_000}, {50_000, 50_000}, {60_000, 0, 1, 100}} {
		s := spill.New(t.TempDir(), 0)
		random := rand.New(rand.NewPCG(uint64(seed), 0))
		var want []record
		for _, records := range fillings {
			for range records {
				r := record{random.Uint64N(1000), make([]byte, random.IntN(40))}
				for i := range r.bytes {
					r.bytes[i] = byte(random.Uint32())
				}
				want = append(want, r)
				require.NoError(t, s.Add(r.order, r.bytes))
			}
			slices.SortStableFunc(want, ordered)
			require.Zero(t, slices.CompareFunc(want, sorted(t, s), ordered))
		}
		require.NoError(t, s.Close())
	}
}

// Orders of all bits, some of which many records share.
func TestOrdersMayBeAnyNumber(t *testing.T) {
	t.Parallel()
	s := spill.New(t.TempDir(), 0)
	random := rand.New(rand.NewPCG(1, 0))
	const records = 20_000
	want := make([]record, 0, records)
	for n := range records {
		orders := []uint64{random.Uint64(), random.Uint64() | 1<<63, math.MaxUint64, math.MaxUint64 - uint64(n%3), uint64(n % 200)}
		r := record{orders[random.IntN(len(orders))], []byte{byte(random.Uint32())}}
		want = append(want, r)
		require.NoError(t, s.Add(r.order, r.bytes))
	}
	slices.SortStableFunc(want, ordered)
	require.Zero(t, slices.CompareFunc(want, sorted(t, s), ordered))
	require.NoError(t, s.Close())
}

// More runs than are merged at once.
func TestManyRunsAreMergedInSteps(t *testing.T) {
	t.Parallel()
	s := spill.New(t.TempDir(), 0)
	const most, each = 600, 600 << 10 // One record a run.
	for i := range most {
		b := make([]byte, each)
		binary.BigEndian.PutUint64(b, uint64(i))
		require.NoError(t, s.Add(uint64((i*7)%most), b))
	}
	next := uint64(0)
	require.NoError(t, s.Each(func(order uint64, b []byte) error {
		require.Equal(t, next, order)
		require.Len(t, b, each)
		require.Equal(t, order, binary.BigEndian.Uint64(b)*7%most)
		next++
		return nil
	}))
	require.EqualValues(t, most, next)
	require.NoError(t, s.Close())
}

// A file without a name cannot be left behind.
func TestNoFileIsLeftBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := spill.New(dir, 0)
	for i := range 200_000 {
		require.NoError(t, s.Add(uint64(i), []byte("12345678")))
	}
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
}

func TestErrorsSayWhere(t *testing.T) {
	t.Parallel()
	s := spill.New("/nowhere", 0)
	err := s.Add(0, make([]byte, 600<<10))
	require.NoError(t, err)
	require.ErrorContains(t, s.Add(0, []byte("x")), "/nowhere (TMPDIR says where)")
	require.ErrorIs(t, s.Each(func(uint64, []byte) error { return errors.ErrUnsupported }), errors.ErrUnsupported)
}
