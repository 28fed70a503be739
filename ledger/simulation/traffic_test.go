package simulation_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// troubles are plenty.
func troubles() simulation.Troubles {
	return simulation.Troubles{Late: 20_000, Duplicates: 100_000, Conflicts: 20_000, Bad: 10_000}
}

func traffic(t testing.TB, options simulation.Options, troubles simulation.Troubles, door simulation.Door) *simulation.Traffic {
	t.Helper()
	sent, err := start(t, options).Traffic(troubles, door)
	require.NoError(t, err)
	return sent
}

// received is a message as it is read.
type received struct {
	event *ledger.Event
	why   *ledger.Invalid
	key   string
}

// read reads a message as its door does.
func read(m *simulation.Message, door simulation.Door) received {
	if door == simulation.DoorFile {
		event, why := ledger.DecodeJSON(m.AppendJSON(nil), ledger.Strict)
		if why != nil {
			return received{why: why}
		}
		return received{event: event, key: event.Key()}
	}
	r := m.Record()
	record := &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	decoded := eventlog.Decode(record)
	if decoded.Rejected != nil {
		return received{why: &decoded.Rejected.Invalid}
	}
	return received{event: decoded.Event, key: string(r.Key)}
}

// TestTroublesAreWhatTheyAreSaidToBe reads all that is sent as its readers would, and counts.
func TestTroublesAreWhatTheyAreSaidToBe(t *testing.T) {
	t.Parallel()
	for _, door := range []simulation.Door{simulation.DoorLog, simulation.DoorFile} {
		const events = 20_000
		sent := traffic(t, simulation.Options{Seed: 3, Events: events, Expect: true}, troubles(), door)
		type first struct {
			hash [ledger.HashBytes]byte
			key  string
		}
		firsts, refused := map[uuid.UUID]first{}, map[ledger.Code]int64{}
		formats, moved := map[simulation.Format]int{}, 0
		var late, duplicates, conflicts int64
		var last time.Time
		for m, ok := sent.Next(); ok; m, ok = sent.Next() {
			got := read(&m, door)
			if m.Kind == simulation.KindBad {
				require.NotNil(t, got.why, "%s in format %d", m.Reason, m.Format)
				require.Equal(t, m.Reason, got.why.Code, "%v in format %d", got.why, m.Format)
				refused[m.Reason]++
				continue
			}
			require.Nil(t, got.why)
			require.Equal(t, m.Event.ContentHash(), got.event.ContentHash())
			formats[m.Format]++
			before, known := firsts[got.event.ID]
			switch {
			case !known:
				require.Equal(t, simulation.KindEvent, m.Kind, "the first is the event")
				firsts[got.event.ID] = first{got.event.ContentHash(), got.key}
				if got.event.Time.Before(last) {
					late++
				} else {
					last = got.event.Time
				}
			case before.hash == got.event.ContentHash():
				require.Equal(t, simulation.KindDuplicate, m.Kind)
				duplicates++
				if before.key != got.key {
					moved++
				}
			default:
				require.Equal(t, simulation.KindConflict, m.Kind)
				require.Equal(t, before.key, got.key, "behind the first, on its partition")
				conflicts++
			}
		}
		told := sent.Expected()
		require.EqualValues(t, events, told.Events)
		require.Len(t, firsts, events)
		require.InEpsilon(t, events/50, told.Traffic.Late, 0.2)
		require.LessOrEqual(t, late, told.Traffic.Late)
		require.Greater(t, late, told.Traffic.Late/2, "but for those that come at the end")
		require.Equal(t, told.Traffic.Duplicates, duplicates)
		require.InEpsilon(t, events/10, duplicates, 0.2)
		require.Equal(t, told.Traffic.Conflicts, conflicts)
		require.Greater(t, conflicts, int64(events/100))
		require.Greater(t, moved, int(duplicates/3))
		require.Equal(t, told.Traffic.Refused, refused)
		require.Equal(t, events+duplicates+conflicts+sum(refused), told.Traffic.Messages)
		require.Len(t, refused, 16, "all reasons but one: a file knows no topics, and the log no unknown fields")
		if door == simulation.DoorLog {
			require.Len(t, formats, 6)
			require.Equal(t, refused, told.Quarantine)
		} else {
			require.Empty(t, told.Quarantine)
		}
	}
}

func sum(counts map[ledger.Code]int64) int64 {
	var all int64
	for _, n := range counts {
		all += n
	}
	return all
}

func TestTroublesChangeNoEvent(t *testing.T) {
	t.Parallel()
	options := simulation.Options{Seed: 11, Events: 5_000, Expect: true}
	quiet, loud := start(t, options), traffic(t, options, troubles(), simulation.DoorLog)
	plain := map[uuid.UUID][ledger.HashBytes]byte{}
	for e, ok := quiet.Next(); ok; e, ok = quiet.Next() {
		plain[e.ID] = e.ContentHash()
	}
	for m, ok := loud.Next(); ok; m, ok = loud.Next() {
		if m.Kind == simulation.KindEvent {
			require.Equal(t, plain[m.Event.ID], m.Event.ContentHash())
			delete(plain, m.Event.ID)
		}
	}
	require.Empty(t, plain)
	want, got := quiet.Expected(), loud.Expected()
	got.Traffic, got.Quarantine = want.Traffic, want.Quarantine
	require.Equal(t, want, got)
}

// Everything at once, to the end of what is held.
func TestEveryEventInTrouble(t *testing.T) {
	t.Parallel()
	whole := simulation.Troubles{
		Late: simulation.Whole, Duplicates: simulation.Whole, Conflicts: simulation.Whole, Bad: simulation.Whole / 100,
	}
	sent := traffic(t, simulation.Options{Seed: 1, Events: 20_000, Expect: true}, whole, simulation.DoorFile)
	seen := map[uuid.UUID]int{}
	for m, ok := sent.Next(); ok; m, ok = sent.Next() {
		if m.Kind != simulation.KindBad {
			seen[m.Event.ID]++
		}
	}
	told := sent.Told()
	require.Len(t, seen, 20_000)
	require.EqualValues(t, 20_000, told.Late)
	require.EqualValues(t, 20_000, told.Duplicates)
	require.Greater(t, told.Conflicts, int64(10_000))
	require.InEpsilon(t, 200, sum(told.Refused), 0.3)
}

const firstTenThousandInTrouble = "d7f293c89f34ec157cb6248a7be502625975e95fa0b7b78bae2763d61f56f544"

func TestSeedNamesItsTroubles(t *testing.T) {
	t.Parallel()
	sent, hash := traffic(t, simulation.Options{Seed: 1, Events: 10_000}, troubles(), simulation.DoorLog), sha256.New()
	for m, ok := sent.Next(); ok; m, ok = sent.Next() {
		r := m.Record()
		hash.Write([]byte(r.Topic))
		hash.Write(r.Key)
		for _, h := range r.Headers {
			hash.Write([]byte(h.Key))
			hash.Write(h.Value)
		}
		hash.Write(r.Value)
	}
	require.Equal(t, firstTenThousandInTrouble, hex.EncodeToString(hash.Sum(nil)))
}

func TestSharesReadAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]simulation.Share{
		"1%": 10_000, "0.1%": 1_000, "100%": simulation.Whole, "0.0001%": 1, "12.5%": 125_000, "0%": 0,
	} {
		got, err := simulation.ParseShare(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	none, err := simulation.ParseShare("0")
	require.NoError(t, err)
	require.Zero(t, none)
	for _, text := range []string{"", "1", "%", "101%", "100.0001%", "0.00001%", "-1%", "1.%1%", "a%", "0.5", "4294967297%", "1 %", "+1%"} {
		_, err := simulation.ParseShare(text)
		require.ErrorContains(t, err, "no percentage", text)
	}
	_, err = start(t, simulation.Options{Events: 1}).Traffic(simulation.Troubles{Bad: simulation.Whole + 1}, simulation.DoorLog)
	require.ErrorContains(t, err, "more than all")
}
