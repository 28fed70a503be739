package main

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
	"github.com/tributary-ledger/tributary/projections/receivers"
)

// storyJSON is a story as programs read it.
type storyJSON struct {
	Kind, ID, Ledger, State string
	Current                 *struct{ State string }
	Events                  []struct {
		Position string
		Event    struct {
			ID, Type string
			Time     time.Time
		}
		State     string
		InBooks   bool `json:"in_books"`
		Postings  []storyPosting
		Copies    []copyOf
		Conflicts []string
		TakenBy   string `json:"taken_by"`
	}
	LeftOut int `json:"left_out"`
	Refused []storyRefused
	Scanned int64
}

func (b books) story(t *testing.T, args ...string) storyJSON {
	t.Helper()
	return decode[storyJSON](t, b.must(t, append([]string{"story", "--json"}, args...)...).stdout)
}

func TestStoriesOfTheSample(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	for _, id := range []string{
		"pay-1001", "pay-1002", "pay-1003", "pay-1004", "pay-1007", "rcv-7", "rcv-8", "tea-blog", "fx-1", "out-32", "set-2026-10",
	} {
		told := b.must(t, "story", id)
		require.Empty(t, told.stderr)
		golden(t, "story/"+id+".txt", told.stdout)
	}
	require.Len(t, b.story(t, "tea-blog", "--post", "1").Events, 4)
	cut := b.must(t, "story", "tea-blog", "--limit", "2")
	require.Contains(t, cut.stdout, "6 earlier events")
	require.Len(t, b.story(t, "tea-blog", "--limit", "2").Events, 2)
	require.Zero(t, b.story(t, "tea-blog").Scanned, "the index has all of it")
	require.Equal(t, "posted", b.story(t, "pay-1007").State)
}

func TestWhatIsNotKnownHasAHint(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	for id, hint := range map[string]string{
		"pay-1009": `did you mean "pay-1001"`, "pay1002": `"pay-1002"`, "rcv-9": `"rcv-7" or "rcv-8"`, "teablog": `did you mean "tea-blog"`,
		"nothing-like-it": "the log has no event about",
	} {
		got := b.run(t, "story", id)
		require.Equal(t, exitNo, got.code, id)
		require.Contains(t, got.stderr, hint)
		require.Empty(t, got.stdout)
	}
	require.Equal(t, exitNo, b.run(t, "story", "pay-1001", "--ledger", "test").code)
	require.Equal(t, exitNo, b.run(t, "story", "pay-1001", "--kind", "receiver").code)
	require.Equal(t, exitUsage, b.run(t, "story", "pay-1001", "--kind", "recever").code)
	require.Equal(t, exitUsage, b.run(t, "story", "tea-blog", "--kind", "payment", "--post", "1").code)

	event := b.must(t, "story", "019cad90-add0-72bf-8f15-cdd4e2b1d255")
	require.Contains(t, event.stderr, "is the id of payment.posted of pay-1001 at payments/")
	require.Equal(t, b.must(t, "story", "pay-1001").stdout, event.stdout)
	require.Equal(t, b.must(t, "story", "pay-1007").stdout, b.must(t, "story", "rcpt-1007").stdout)
}

// The same id of several things is asked about.
func TestAnIDOfSeveralThings(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	same := strings.ReplaceAll(strings.Replace(sampleLines()[26], "019c", "019e", 1), "rcv-7", "pay-1001")
	test := strings.ReplaceAll(strings.Replace(sampleLines()[0], "019c", "019e", 1), `"subject"`, `"ledger":"test","subject"`)
	require.Contains(t, same, "receiver.created")
	b.must(t, "publish", write(t, same+"\n"+test), "--wait")
	got := b.run(t, "story", "pay-1001")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "--kind payment --ledger main    # 5 events\n")
	require.Contains(t, got.stderr, "--kind payment --ledger test    # 1 event\n")
	require.Contains(t, got.stderr, "--kind receiver --ledger main    # 1 event\n")
	require.Equal(t, "waiting", b.story(t, "pay-1001", "--kind", "receiver").State)
	require.Equal(t, "started", b.story(t, "pay-1001", "--ledger", "test").State)
	require.Contains(t, b.must(t, "story", "pay-1001", "--ledger", "test").stdout, "in ledger test")
}

// Copies, contents in conflict and what was refused are told, and the books are as they say.
func TestStoriesTellWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	b, _, _ := withSample(t)
	posted := sampleLines()[3]
	b.must(t, "publish", write(t, strings.ReplaceAll(posted, "4990", "4991")), "--wait")                   // the id, another content
	b.must(t, "publish", write(t, strings.ReplaceAll(posted, "pay-1001", "pay-1042")), "--wait")           // and about something else
	b.must(t, "publish", write(t, strings.Replace(posted, "019cad90-add0", "019cad91-add0", 1)), "--wait") // its transaction once more
	b.produce(t, &kgo.Record{Topic: eventlog.TopicPayments, Key: []byte("pay-1001"), Value: []byte("nonsense")})
	got := b.story(t, "pay-1001")
	require.Len(t, got.Refused, 1)
	require.Len(t, got.Events, 5)
	event := got.Events[3]
	require.Equal(t, "019cad90-add0-72bf-8f15-cdd4e2b1d255", event.Event.ID)
	require.Len(t, event.Copies, 1)
	require.Len(t, event.Conflicts, 2)
	require.Empty(t, event.TakenBy)
	require.Equal(t, "49.9", event.Postings[0].Amount)
	shown := b.must(t, "story", "pay-1001").stdout
	require.Contains(t, shown, "another content under its id")
	require.Contains(t, shown, "refused, and changed nothing")

	other := b.story(t, "pay-1042")
	require.Len(t, other.Events, 1)
	require.Equal(t, event.Position, other.Events[0].TakenBy)
	require.Empty(t, other.Events[0].Postings)
	require.Empty(t, other.State)
	require.Contains(t, b.must(t, "story", "pay-1042").stdout, "does not count: its id")

	b.produce(t, &kgo.Record{Topic: eventlog.TopicReceivers, Key: []byte("rcv-99"), Value: []byte("nonsense")})
	only := b.run(t, "story", "rcv-99")
	require.Equal(t, exitNo, only.code)
	require.Contains(t, only.stderr, "only 1 refused record that may name it")
	b.must(t, "verify")

	b.exec(t, `INSERT INTO quarantine.releases SELECT 3875, kafka_offset, recorded_at, 4, "partition", generation, topic, topic AS of_topic,
		'ops' FROM quarantine.records WHERE "partition" = `+strings.Split(strings.Split(got.Refused[0].Position, "/")[1], "@")[0]+`
		AND topic = 'tributary.payments'`)
	require.Contains(t, b.must(t, "story", "pay-1001").stdout, "released as payments/4@3875")
}

// Without an index, without books, and with either far behind, the story is the same but for what the books would say.
func TestStoriesNeedNoBooks(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.must(t, "publish", write(t, sample))
	behind := b.story(t, "pay-1002")
	require.Equal(t, int64(46), behind.Scanned)
	require.Equal(t, "partially_refunded", behind.State)
	require.Nil(t, behind.Current)
	require.Len(t, behind.Events, 4)
	require.Contains(t, b.must(t, "story", "pay-1002").stderr, "the balances do not have 4 events of these yet")
	require.Contains(t, b.must(t, "story", "pay-1002").stdout, "not in the books yet")
	require.Equal(t, exitNo, b.run(t, "story", "pay-1").code)

	alone := topicsOnly(t, b.kafka.Brokers)
	require.Equal(t, behind, alone.story(t, "pay-1002"))
	require.Contains(t, alone.must(t, "story", "pay-1002").stderr, "no Postgres is configured")

	projectors, _ := b.project(t)
	b.must(t, "publish", write(t, sampleLines()[0]), "--wait")
	require.Equal(t, exitDone, projectors.stop(t))
	refund := strings.NewReplacer("019cae", "019dae", "019cb", "019db", `"ref-1"`, `"ref-9"`).Replace(sampleLines()[7])
	b.must(t, "publish", write(t, refund))
	half := b.story(t, "pay-1002")
	require.Equal(t, int64(1), half.Scanned, "the index has the rest")
	require.Len(t, half.Events, 5)
	require.Equal(t, 4, func() (n int) {
		for _, e := range half.Events {
			if e.InBooks {
				n++
			}
		}
		return n
	}())
	require.NotNil(t, half.Current)
	places := liveTable(t, b, "subjects", "places")
	b.exec(t, `UPDATE `+places+` SET kafka_offset = kafka_offset + 1 WHERE ctid = (SELECT min(ctid) FROM `+places+`)`)
	got := b.run(t, "verify", "subjects")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stdout, "DIFFERS")
}

// Of a simulated log, the stories' postings are the books' entries, the states those of the books, and the balances behind the
// last of an account's entries the account's.
func TestStoriesAddUp(t *testing.T) {
	t.Parallel()
	b := migrated(t)
	b.project(t)
	b.must(t, "simulate", "--events", "3000", "--seed", "11", "--accounts", "20")
	b.must(t, "publish", write(t, sampleLines()[45]), "--wait")
	pool, err := postgres.Open(t.Context(), b.url)
	require.NoError(t, err)
	defer pool.Close()
	last := map[string]string{}
	rows, err := pool.Query(t.Context(), `SELECT DISTINCT ON (account, asset_code) account || ' ' || asset_code, reference
		FROM books.entries ORDER BY account, asset_code, occurred_at DESC, topic DESC, "partition" DESC, kafka_offset DESC`)
	require.NoError(t, err)
	for rows.Next() {
		var account, reference string
		require.NoError(t, rows.Scan(&account, &reference))
		last[account] = reference
	}
	require.NoError(t, rows.Err())
	now := map[string]string{}
	for _, balance := range decodeLines[balances.Balance](t, b.must(t, "get", "balance", "--limit", "10000", "--json").stdout) {
		now[balance.Account+" "+balance.AssetCode] = balance.Balance
	}
	rows, err = pool.Query(t.Context(), `SELECT reference, json_agg(json_build_object(
		'key', concat_ws(' ', event_id, account, asset_code, direction), 'amount', trim_scale(amount)::text)) FROM books.entries
		GROUP BY reference ORDER BY reference`)
	require.NoError(t, err)
	checked, ends := 0, 0
	type entry struct{ Key, Amount string }
	entries := map[string][]entry{}
	for rows.Next() {
		var reference string
		var list []byte
		require.NoError(t, rows.Scan(&reference, &list))
		entries[reference] = decode[[]entry](t, string(list))
	}
	require.NoError(t, rows.Err())
	for reference, want := range entries {
		isLast := false
		for _, of := range last {
			isLast = isLast || of == reference
		}
		checked++
		if checked%7 != 0 && !isLast { // a story takes some milliseconds
			continue
		}
		got := b.story(t, reference, "--limit", "5000")
		sums := map[string]*big.Rat{}
		add := func(key, amount string, sign int64) {
			value, ok := new(big.Rat).SetString(amount)
			require.True(t, ok, amount)
			if sums[key] == nil {
				sums[key] = new(big.Rat)
			}
			sums[key].Add(sums[key], value.Mul(value, big.NewRat(sign, 1)))
		}
		for _, e := range want {
			add(e.Key, e.Amount, 1)
		}
		for _, e := range got.Events {
			require.True(t, e.InBooks, "%s %s", reference, e.Position)
			for _, p := range e.Postings {
				add(strings.Join([]string{e.Event.ID, p.Account, p.AssetCode, p.Direction}, " "), p.Amount, -1)
				require.NotEmpty(t, p.Balance)
				if key := p.Account + " " + p.AssetCode; last[key] == reference && e.Event.ID == lastOf(got, key) {
					require.Equal(t, now[key], p.Balance, "%s behind %s", key, reference)
					ends++
				}
			}
		}
		for key, sum := range sums {
			require.Zero(t, sum.Sign(), "%s %s", reference, key)
		}
		if got.Current != nil {
			require.Equal(t, got.Current.State, got.State, reference)
			checkStates(t, b, got)
		}
	}
	require.GreaterOrEqual(t, ends, len(last), "each account's last entry is some story's")
}

// lastOf is the last event of a story that touches an account.
func lastOf(s storyJSON, key string) string {
	id := ""
	for _, e := range s.Events {
		for _, p := range e.Postings {
			if p.Account+" "+p.AssetCode == key {
				id = e.Event.ID
			}
		}
	}
	return id
}

// checkStates holds the current state to what the books say of it.
func checkStates(t *testing.T, b books, s storyJSON) {
	t.Helper()
	switch s.Kind {
	case kindPayment:
		require.Equal(t, s.State, decode[receipts.Payment](t, b.must(t, "get", "payment", s.ID, "--json").stdout).State)
	case kindReceiver:
		require.Equal(t, s.State, decode[receivers.Receiver](t, b.must(t, "get", "receiver", s.ID, "--json").stdout).State)
	default:
		require.Fail(t, "this has no state", "%s", json.RawMessage(s.Kind))
	}
}
