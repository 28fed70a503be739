package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// logged gives the test a log that has the sample, and no tables.
func logged(t *testing.T) books {
	t.Helper()
	b := topicsOnly(t, stacktest.Kafka(t))
	b.must(t, "publish", write(t, sample))
	return b
}

func topicsOnly(t *testing.T, brokers []string) books {
	t.Helper()
	b := booksAt(brokers, "")
	b.environ = b.environ[:1]
	b.makeTopics(t)
	return b
}

// golden holds what a command printed against a file of testdata; times at which the log recorded something are the test's own.
// TRIBUTARY_GOLDEN=write writes the files.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = regexp.MustCompile(`20(2[6-9]|[3-9]\d)-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`).ReplaceAllString(got, "RECORDED               ")
	path := filepath.Join("testdata", name)
	if os.Getenv("TRIBUTARY_GOLDEN") == "write" {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "%s; with TRIBUTARY_GOLDEN=write it is written anew", path)
}

func TestTailShowsEveryTypeOfEvent(t *testing.T) {
	t.Parallel()
	b := logged(t)
	for _, topic := range []string{"payment.*,settlement.*,payout.*,journal.*", "receiver.*", "site.*,post.*,monetization.*"} {
		// What one subject's partition holds comes in its order; between partitions the moment of recording decides.
		var out strings.Builder
		for p := range 3 {
			lines := b.must(t, "tail", "--no-follow", "--since", "start", "--postings", "--type", topic).stdout
			show := false
			for line := range strings.Lines(lines) {
				if !strings.HasPrefix(line, " ") {
					show = strings.Contains(line, "/"+strconv.Itoa(p)+"@")
				}
				if show {
					out.WriteString(line)
				}
			}
		}
		golden(t, "tail/"+strings.TrimRight(strings.SplitN(topic, ".", 2)[0], "*.")+".txt", out.String())
	}
}

// positions are those of the records that tail prints.
func (b books) positions(t *testing.T, args ...string) []string {
	t.Helper()
	records := decodeLines[struct{ Position string }](t, b.must(t, append([]string{"tail", "--no-follow", "--json"}, args...)...).stdout)
	all := make([]string, 0, len(records))
	for _, r := range records {
		all = append(all, r.Position)
	}
	return all
}

func TestTailFilters(t *testing.T) {
	t.Parallel()
	b := logged(t)
	for want, filters := range map[int][][]string{
		46: {nil, {"--type", "*"}, {"--ledger", "main"}, {"--since", "1h"}, {"--since", "0.5d"}, {"--lines", "1000"}},
		0:  {{"--ledger", "test"}, {"--subject", "pay"}, {"--since", "2090-01-01"}, {"--source", "nobody"}},
		6:  {{"--type", "payment.posted"}, {"--type", "tributary.payment.posted.v1"}},
		12: {{"--type", "payment.posted,payment.started,payout.sent"}},
		5:  {{"--subject", "pay-1001"}, {"--subject", "pay-1001", "--since", "start"}},
		9:  {{"--subject", "pay-1001,pay-1002"}, {"--account", "site:", "--account", "bank:*"}},
		2:  {{"--id", "019cad90-add0-72bf-8f15-cdd4e2b1d255"}, {"--id", "019CAD90-ADD0-72BF-8F15-CDD4E2B1D255"}},
		3:  {{"--account", "bank:", "--type", "payout.*"}},
		1:  {{"--account", "conversion:*"}},
	} {
		for _, filter := range filters {
			args := filter
			if !strings.Contains(strings.Join(filter, " "), "-n ") && !strings.Contains(strings.Join(filter, " "), "--since") {
				args = append([]string{"--since", "start"}, filter...)
			}
			require.Len(t, b.positions(t, args...), want, "%v", filter)
		}
	}
	for _, wrong := range [][]string{
		{"--type", "payment.post"}, {"--since", "yesterday"}, {"--lines", "-1"}, {"--lines", "x"}, {"--account", "acme"}, {"--since", "-3h"},
	} {
		got := b.run(t, append([]string{"tail", "--no-follow"}, wrong...)...)
		require.Equal(t, exitUsage, got.code, "%v", wrong)
		require.Empty(t, got.stdout)
	}
	require.Contains(t, b.run(t, "tail", "--type", "payment.post").stderr, `did you mean "payment.posted"`)
	require.Equal(t, exitNo, b.run(t, "tail", "--no-follow", "--since", "payments/0@4000").code)
	require.Equal(t, exitUnreachable, booksAt([]string{"127.0.0.1:1"}, "").run(t, "tail").code)
}

// The last so many are the last of all partitions together, whatever else the log has between them.
func TestTailShowsTheLast(t *testing.T) {
	t.Parallel()
	b := logged(t)
	b.must(t, "simulate", "--events", "3000", "--seed", "3")
	all := b.positions(t, "--since", "start")
	require.Len(t, all, 3046)
	for _, n := range []int{0, 1, 7, 100, 3045, 3046, 5000} {
		require.Equal(t, all[len(all)-min(n, len(all)):], b.positions(t, "-n", strconv.Itoa(n)), "%d", n)
	}
	require.Equal(t, all[len(all)-10:], b.positions(t))
	fees := b.positions(t, "--since", "start", "--account", "platform:fees")
	require.Equal(t, fees[len(fees)-20:], b.positions(t, "-n", "20", "--account", "platform:fees"))
	few := b.positions(t, "--since", "start", "--subject", "pay-*")
	require.Equal(t, few, b.positions(t, "-n", "1000", "--subject", "pay-*"), "all of them are in the past")
	require.Equal(t, few[len(few)-3:], b.positions(t, "-n", "3", "--subject", "pay-*"))
}

func TestTailSince(t *testing.T) {
	t.Parallel()
	b := topicsOnly(t, stacktest.Kafka(t))
	stacktest.KeepWritersTimes(t, b.kafka.Brokers, eventlog.Topics()...)
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	began := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	for n, topic := range []string{eventlog.TopicPayments, eventlog.TopicReceivers, eventlog.TopicPayments, eventlog.TopicMonetization} {
		record := &kgo.Record{Topic: topic, Key: []byte("k"), Timestamp: began.Add(time.Duration(n) * time.Hour)}
		require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	}
	all := b.positions(t, "--since", "start")
	require.Len(t, all, 4)
	require.Equal(t, all, b.positions(t, "--since", "2026-03-02T08:00:00Z"))
	require.Equal(t, all, b.positions(t, "--since", "2026-03-02"))
	require.Equal(t, all[1:], b.positions(t, "--since", "2026-03-02 08:30"))
	require.Equal(t, all[2:], b.positions(t, "--since", "2026-03-02T11:00:00.001+02:00"))
	require.Equal(t, all[2:], b.positions(t, "--since", all[2]))
	require.Equal(t, all[3:], b.positions(t, "--since", all[3]))
	require.Equal(t, all[3:], b.positions(t, "--since", all[0], "-n", "1"))
}

func TestTailShowsWhatIsRefusedInItsPlace(t *testing.T) {
	t.Parallel()
	b := logged(t)
	client, err := eventlog.NewClient(b.kafka)
	require.NoError(t, err)
	defer client.Close()
	record := &kgo.Record{
		Topic: eventlog.TopicPayments, Key: []byte("pay-1001"), Value: []byte("\x1b[2Jnonsense"),
		Headers: []kgo.RecordHeader{
			{Key: "ce_specversion", Value: []byte("1.0")},
			{Key: "ce_id", Value: []byte("019cad90-add0-72bf-8f15-cdd4e2b1d255")},
			{Key: "ce_type", Value: []byte("tributary.payment.posted.v1")},
			{Key: "ce_subject", Value: []byte("pay-1001")},
		},
	}
	require.NoError(t, client.ProduceSync(t.Context(), record).FirstErr())
	shown := b.must(t, "tail", "--no-follow", "--subject", "pay-1001").stdout
	require.NotContains(t, shown, "\x1b")
	golden(t, "tail/refused.txt", shown)
	require.Contains(t, b.must(t, "tail", "--no-follow", "--type", "payment.posted", "-n", "1").stdout, "refused")
	require.NotContains(t, b.must(t, "tail", "--no-follow", "--account", "merchant:").stdout, "refused")
	got := decode[struct {
		Event    json.RawMessage
		Rejected jsonRejection
	}](t, b.must(t, "tail", "--no-follow", "--json", "-n", "1").stdout)
	require.Empty(t, got.Event)
	require.Equal(t, []byte("\x1b[2Jnonsense"), got.Rejected.Payload)
	require.Len(t, got.Rejected.Headers, 4)
}

// await waits until a command has printed something.
func (r *running) await(t testing.TB, stream *syncBuffer, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(stream.String(), text) }, time.Minute, 5*time.Millisecond,
		"%q does not come:\n%s\n%s", text, r.stdout, r.stderr)
}

func TestTailFollows(t *testing.T) {
	t.Parallel()
	b := logged(t)
	tail := b.start(t, "tail", "--json", "--postings", "-n", "1")
	require.Eventually(t, func() bool { return strings.Count(tail.stdout.String(), "\n") == 1 }, time.Minute, 5*time.Millisecond)
	b.must(t, "simulate", "--events", "500", "--seed", "5")
	require.Eventually(t, func() bool { return strings.Count(tail.stdout.String(), "\n") == 501 }, time.Minute, 5*time.Millisecond)
	b.must(t, "publish", write(t, sampleLines()[3]))
	tail.await(t, tail.stdout, `"postings":[{"account":"provider:stripe:clearing","direction":"debit","asset_code":"EUR","amount":"49.9"}`)
	require.Equal(t, exitDone, tail.stop(t))
	require.Empty(t, tail.stderr.String())
	type line struct {
		Position string
		Event    struct{ ID string }
		Postings []jsonPosting
	}
	met := map[string]bool{}
	for _, l := range decodeLines[line](t, tail.stdout.String()) {
		require.False(t, met[l.Position], l.Position)
		met[l.Position] = true
		require.NotNil(t, l.Postings)
	}
}

func TestTailGoesOnWhenTheBrokerIsBack(t *testing.T) {
	t.Parallel()
	kafka := stacktest.KafkaProcess(t, devstack.KafkaConfig{Dir: t.TempDir()})
	b := topicsOnly(t, kafka.Brokers())
	b.must(t, "publish", write(t, sample))
	tail := b.start(t, "tail")
	require.Eventually(t, func() bool { return strings.Count(tail.stdout.String(), "\n") == 10 }, time.Minute, 5*time.Millisecond)
	require.NoError(t, kafka.Kill())
	tail.await(t, tail.stderr, "does not answer (connection refused); waiting for it")
	require.NoError(t, kafka.Restart(t.Context()))
	tail.await(t, tail.stderr, "is back")
	b.must(t, "publish", write(t, strings.ReplaceAll(sampleLines()[0], "019cad8f", "019dad8f")))
	require.Eventually(t, func() bool { return strings.Count(tail.stdout.String(), "\n") == 11 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, exitDone, tail.stop(t))
	require.Equal(t, 2, strings.Count(tail.stderr.String(), "\n"), tail.stderr.String())
}

func TestTailLeavesNothingOfTheColumnsToChance(t *testing.T) {
	t.Parallel()
	b := logged(t)
	other := strings.ReplaceAll(sampleLines()[0], `"subject"`, `"ledger":"test","subject"`)
	b.must(t, "publish", write(t, strings.ReplaceAll(other, "019cad8f", "019dad8f")))
	shown := b.must(t, "tail", "--no-follow", "--subject", "pay-1001").stdout
	require.Contains(t, shown, "payment.started         main  pay-1001")
	require.Contains(t, shown, "payment.started         test  pay-1001")

	events := readWhole(t, b)
	for _, width := range []int{0, 60, 80, 140} {
		var out bytes.Buffer
		p := newTailPrinter(&app{world: world{stdout: &out}}, true)
		p.width = width
		for i := range events {
			p.add(&events[i])
		}
		require.NoError(t, p.end())
		for line := range strings.Lines(out.String()) {
			if width > 0 && !strings.HasPrefix(line, "          ") { // postings are not cut
				require.LessOrEqual(t, len([]rune(strings.TrimSuffix(line, "\n"))), width, line)
			}
		}
	}
}

// readWhole reads all of the log.
func readWhole(t *testing.T, b books) []eventlog.Record {
	t.Helper()
	admin, err := eventlog.NewAdmin(b.kafka)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context())
	require.NoError(t, err)
	var all []eventlog.Record
	require.NoError(t, eventlog.ReadMerged(t.Context(), b.kafka, eventlog.Range{To: ends}, func(*eventlog.Record) bool { return true },
		func(record *eventlog.Record) error {
			all = append(all, *record)
			return nil
		}))
	return all
}

func TestLike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"a", "a", true},
		{"a", "ab", false},
		{"a*", "ab", true},
		{"*b", "ab", true},
		{"*b", "ba", false},
		{"a*c*e", "abcde", true},
		{"a*c*e", "aecx", false},
		{"a*a", "a", false},
		{"a**a", "aa", true},
		{"*.*", "payment.posted", true},
	} {
		require.Equal(t, c.want, like(c.pattern, c.text), "%s %s", c.pattern, c.text)
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	require.Equal(t, "\x1b[31mno\x1b[0m", painter(true).paint(red, "no"))
	require.Equal(t, "no", painter(false).paint(red, "no"))
	require.Empty(t, painter(true).paint(red, ""))
	require.False(t, (&app{world: world{stdout: &bytes.Buffer{}}}).colours())
}
