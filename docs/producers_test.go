package docs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// producer is one of the examples that write to the log, and the commands of docs/producers.md for it.
type producer struct {
	language string
	// needs are the programs without which it cannot be installed, and sources what its installation reads: folders and files.
	needs, sources []string
	// made is what its installation makes, below docs/examples/producers.
	made string
	// registers tells that its client puts the schemas into the registry by itself.
	registers bool

	install, run string
}

const producersPage, producersFolder = "docs/producers.md", "docs/examples/producers"

// producers are those that can run here, with what they need installed.
func producers(t *testing.T, m *machine) []*producer {
	t.Helper()
	in := func(paths ...string) []string {
		for i := range paths {
			paths[i] = producersFolder + "/" + paths[i]
		}
		return paths
	}
	all := []*producer{
		{language: "go"},
		{
			language: "python", needs: []string{"python3"}, made: "python/.venv", registers: true,
			sources: in("python/requirements.txt"),
		},
		{
			language: "java", needs: []string{"java", "javac", "mvn"}, made: "java/target",
			sources: append(in("java/src", "java/pom.xml", "java/lib.sha256"), "schemas/tributary"),
		},
		{
			language: "node", needs: []string{"node", "npm"}, made: "node/node_modules",
			sources: in("node/package.json", "node/package-lock.json", "node/.npmrc"),
		},
	}
	text := page{producersPage, readFile(t, filepath.Join(root, producersPage))}
	var here []*producer
	t.Run("installation", func(t *testing.T) {
		for _, p := range all {
			p.fill(t, text)
			missing := p.missing()
			if missing == "" {
				here = append(here, p)
			}
			t.Run(p.language, func(t *testing.T) {
				t.Parallel()
				if missing != "" {
					t.Skipf("SKIPPED, the producer in %s is not tested: there is no %s here", p.language, missing)
				}
				p.installOnce(t, m)
			})
		}
	})
	return here
}

// fill takes the commands from the page. Go's are run with the page's other commands as well.
func (p *producer) fill(t *testing.T, text page) {
	t.Helper()
	if p.language == "go" {
		p.run = one(t, slices.DeleteFunc(ofKind(text.blocks(), "sh"), func(b block) bool {
			return !strings.Contains(b.text, producersFolder+"/go")
		})).text
		return
	}
	p.run = one(t, ofKind(text.blocks(), "sh "+p.language)).text
	p.install = one(t, ofKind(text.blocks(), "sh "+p.language+" install")).text
}

func one(t *testing.T, found []block) block {
	t.Helper()
	require.Len(t, found, 1)
	return found[0]
}

func (p *producer) missing() string {
	for _, program := range p.needs {
		if _, err := exec.LookPath(program); err != nil {
			return program
		}
	}
	return ""
}

// installOnce runs the page's commands in a copy of what they work on, in the cache, and lends the machine what they made.
// What is in the cache already was made from the same files by the same commands.
func (p *producer) installOnce(t *testing.T, m *machine) {
	t.Helper()
	if p.made == "" {
		return
	}
	cache := os.Getenv("TRIBUTARY_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		require.NoError(t, err)
		cache = filepath.Join(user, "tributary")
	}
	place := filepath.Join(cache, "producer-"+p.language+"-"+p.hash(t))
	if _, err := os.Stat(place); err != nil {
		require.NoError(t, os.MkdirAll(cache, 0o750))
		fresh, err := os.MkdirTemp(cache, ".producer-") //nolint:usetesting // it is renamed into the cache
		require.NoError(t, err)
		defer func() { require.NoError(t, os.RemoveAll(fresh)) }()
		for path, content := range p.read(t) {
			require.NoError(t, os.MkdirAll(filepath.Join(fresh, filepath.Dir(path)), 0o750))
			require.NoError(t, os.WriteFile(filepath.Join(fresh, path), []byte(content), 0o600))
		}
		t.Log((&machine{folder: fresh, environ: m.environ}).shell(t, p.install))
		if err := os.Rename(fresh, place); err != nil { // another process may have been quicker
			require.DirExists(t, place, "%v", err)
		}
	}
	link := filepath.Join(m.folder, producersFolder, p.made)
	require.NoError(t, os.RemoveAll(link))
	require.NoError(t, os.Symlink(filepath.Join(place, producersFolder, p.made), link))
}

// read returns the files that the installation reads, by path.
func (p *producer) read(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, source := range p.sources {
		err := fs.WalkDir(os.DirFS(root), source, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				files[path] = readFile(t, filepath.Join(root, path))
			}
			return err
		})
		require.NoError(t, err)
	}
	return files
}

// hash names what the installation makes.
func (p *producer) hash(t *testing.T) string {
	t.Helper()
	hash := sha256.New()
	require.NoError(t, json.NewEncoder(hash).Encode([]any{runtime.GOOS, runtime.GOARCH, p.install, p.read(t)}))
	return hex.EncodeToString(hash.Sum(nil)[:6])
}

// isInstalled tells the folders that a reader of the pages may have made beside the examples.
func isInstalled(name string) bool {
	return name == ".venv" || name == "node_modules" || name == "target"
}

// own gives the machine a folder of the repository as its own copy.
func (m *machine) own(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(m.folder, folder)
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.MkdirAll(path, 0o750))
	require.NoError(t, os.CopyFS(path, os.DirFS(filepath.Join(root, folder))))
}

// testProducers runs every producer in every format, and then the default once more, and looks for the same seven events
// each time: in the log, in its format; in the books, once.
func testProducers(t *testing.T, program string) {
	t.Helper()
	m := newMachine(t, program)
	m.own(t, "docs")
	here := producers(t, m)
	failed := m.failing(t, here) // goes on meanwhile: most of it is waiting for what does not answer

	seen := newWatcher(t, strings.TrimSpace(m.shell(t, withEndpoints+`echo "$TRIBUTARY_KAFKA_BROKERS"`)))
	for _, p := range here {
		environ := withEndpoints + m.registry(t, p)
		for _, format := range []string{"binary", "structured", "protobuf", "registry", ""} {
			m.shell(t, environ+strings.TrimSpace(p.run)+" "+format)
			seen.requireHappened(t, p.language, format)
		}
	}
	testProducersBooks(t, m, 5*len(here)*len(seen.wanted), len(seen.wanted))
	t.Run("on Apache Kafka", func(t *testing.T) { testProducersOnApacheKafka(t, m, here) })
	failed()
}

// testProducersOnApacheKafka runs each producer twice on a real broker.
func testProducersOnApacheKafka(t *testing.T, m *machine, here []*producer) {
	t.Helper()
	brokers := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{}).Brokers()
	ensureTopics(t, brokers)
	seen := newWatcher(t, brokers...)
	for _, p := range here {
		for range 2 {
			m.shell(t, "export PYTHONDONTWRITEBYTECODE=1 TRIBUTARY_KAFKA_BROKERS="+strings.Join(brokers, ",")+"\n"+p.run)
			seen.requireHappened(t, p.language, "binary")
		}
	}
}

// happened are the events that each example writes, by id.
func happened(t *testing.T) map[string]*ledger.Event {
	t.Helper()
	wanted := map[string]*ledger.Event{}
	for line := range strings.Lines(readFile(t, filepath.Join(root, producersFolder, "happened.ndjson"))) {
		event, invalid := ledger.DecodeJSON([]byte(line), ledger.Strict)
		require.Nil(t, invalid, "%v", invalid)
		wanted[event.ID.String()] = event
	}
	require.NotEmpty(t, wanted)
	return wanted
}

// registry starts a schema registry for a producer, fills it as the page says where its client does not, and returns the
// line that makes it known to a shell.
func (m *machine) registry(t *testing.T, p *producer) string {
	t.Helper()
	registry := srfake.New()
	t.Cleanup(registry.Close)
	environ := "export PYTHONDONTWRITEBYTECODE=1 SCHEMA_REGISTRY_URL=" + registry.URL() + "\n"
	if !p.registers {
		text := page{producersPage, readFile(t, filepath.Join(root, producersPage))}
		m.shell(t, environ+one(t, ofKind(text.blocks(), "sh registry")).text)
	}
	return environ
}

// watcher reads a log from its start, and holds it to the events that the examples write.
type watcher struct {
	client     *kgo.Client
	ready      []*kgo.Record
	wanted     map[string]*ledger.Event // by id
	partitions map[string]int32         // by subject
}

func newWatcher(t *testing.T, brokers ...string) *watcher {
	t.Helper()
	start := kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumeTopics(eventlog.Topics()...), start)
	require.NoError(t, err)
	t.Cleanup(client.Close)
	return &watcher{client: client, wanted: happened(t), partitions: map[string]int32{}}
}

// requireHappened reads what one run of a producer has written: each event, in the format, where all others put it.
func (w *watcher) requireHappened(t *testing.T, language, format string) {
	t.Helper()
	for range w.wanted {
		record := w.next(t)
		requireFormat(t, language, format, record)
		got := eventlog.Decode(record)
		require.Nil(t, got.Rejected, "%s, %s", language, format)
		want := w.wanted[got.Event.ID.String()]
		require.NotNil(t, want, "%s makes other ids: %s", language, got.Event.ID)
		require.Equal(t, want.Attributes(), got.Event.Attributes(), "%s, %s", language, format)
		require.Equal(t, want.AppendData(nil), got.Event.AppendData(nil), "%s, %s", language, format)
		require.Equal(t, want.Key(), string(record.Key))
		if partition, known := w.partitions[want.Subject]; known {
			require.Equal(t, partition, record.Partition, "%s puts subjects elsewhere", language)
		}
		w.partitions[want.Subject] = record.Partition
	}
}

func (w *watcher) next(t *testing.T) *kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for len(w.ready) == 0 {
		fetches := w.client.PollFetches(ctx)
		require.NoError(t, errors.Join(fetchErrors(fetches)...))
		w.ready = fetches.Records()
	}
	record := w.ready[0]
	w.ready = w.ready[1:]
	return record
}

// requireFormat looks at the bytes: that the events are the same does not say that the formats are not.
func requireFormat(t *testing.T, language, format string, record *kgo.Record) {
	t.Helper()
	headers := map[string]string{}
	for _, header := range record.Headers {
		headers[header.Key] = string(header.Value)
	}
	contentType, _, _ := strings.Cut(headers["content-type"], ";")
	isJSON := json.Valid(record.Value)
	framed := bytes.HasPrefix(record.Value, []byte{0, 0, 0, 0})
	want := map[string][]any{
		"":           {"application/json", true, true, false},
		"binary":     {"application/json", true, true, false},
		"structured": {"application/cloudevents+json", false, true, false},
		"protobuf":   {"application/protobuf", true, false, false},
		"registry":   {"application/protobuf", true, false, true},
	}[format]
	got := []any{contentType, headers["ce_id"] != "", isJSON, framed}
	require.Equal(t, want, got, "%s, %s: %v %q", language, format, headers, record.Value)
}

func fetchErrors(fetches kgo.Fetches) []error {
	var all []error
	fetches.EachError(func(topic string, partition int32, err error) {
		all = append(all, fmt.Errorf("%s/%d: %w", topic, partition, err))
	})
	return all
}

// testProducersBooks publishes the same events as a file and waits for them, so that all before them are in the books, too.
func testProducersBooks(t *testing.T, m *machine, records, events int) {
	t.Helper()
	m.shell(t, withEndpoints+"bin/tributary publish "+producersFolder+"/happened.ndjson --wait --timeout 2m")
	require.JSONEq(t, `[
		["chain:dash:unconfirmed", "DASH", "0.32", "0"],
		["interledger:wallet.example:clearing", "USD", "0.0002", "0"],
		["merchant:corner-shop:payable", "EUR", "6.25", "12.06"],
		["merchant:corner-shop:pending", "DASH", "0", "0.32"],
		["platform:fees", "EUR", "0", "0.44"],
		["provider:stripe:clearing", "EUR", "12.5", "6.25"],
		["site:blog:revenue", "USD", "0", "0.0002"]]`, balances(t, m))
	require.Empty(t, m.shell(t, withEndpoints+"bin/tributary quarantine list --json 2>/dev/null"))

	var proof struct {
		Projections []struct {
			Name       string `json:"name"`
			Records    int    `json:"records"`
			Duplicates int    `json:"duplicates"`
			Conflicts  int    `json:"conflicts_total"`
		} `json:"projections"`
	}
	require.NoError(t, json.Unmarshal([]byte(m.shell(t, withEndpoints+"bin/tributary verify --json")), &proof))
	require.NotEmpty(t, proof.Projections)
	for _, projection := range proof.Projections {
		require.Zero(t, projection.Conflicts, projection.Name)
		if projection.Name == "balances" { // which reads all topics
			require.Equal(t, []int{records + events, records}, []int{projection.Records, projection.Duplicates})
		}
	}
}

func balances(t *testing.T, m *machine) string {
	t.Helper()
	var rows [][]string
	for line := range strings.Lines(m.shell(t, withEndpoints+"bin/tributary get balance --json")) {
		var row struct {
			Account string `json:"account"`
			Asset   string `json:"asset_code"`
			Debits  string `json:"debits"`
			Credits string `json:"credits"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		rows = append(rows, []string{row.Account, row.Asset, row.Debits, row.Credits})
	}
	text, err := json.Marshal(rows)
	require.NoError(t, err)
	return string(text)
}

// TestWireIsUpToDate shows the refund of the examples in each format.
func TestWireIsUpToDate(t *testing.T) {
	t.Parallel()
	var refund *ledger.Event
	for _, event := range happened(t) {
		if event.Type == ledger.TypePaymentRefunded {
			refund = event
		}
	}
	var text strings.Builder
	show := func(name string, format eventlog.Format) {
		record, invalid := eventlog.EncodeAs(refund, format)
		require.Nil(t, invalid)
		fmt.Fprintf(&text, "**%s**\n\n```text\n", name)
		for _, header := range record.Headers {
			fmt.Fprintf(&text, "%s: %s\n", header.Key, header.Value)
		}
		text.WriteString("\n" + shown(record.Value) + "\n```\n\n")
	}
	show("binary", eventlog.FormatJSON)
	show("structured", eventlog.FormatStructured)
	show("protobuf", eventlog.FormatProtobuf)
	path := refund.Data.ProtoReflect().Descriptor().Index() << 1 // zigzag
	frame := []byte{0, 0, 0, 0, 17, 2, byte(path)}
	text.WriteString("**registry** is the same with these bytes before the value: 0, four bytes of the schema's number, here 17, and\n")
	fmt.Fprintf(&text, "the message's place in its file: one step, to message %d.\n\n```text\n%s\n```\n", path>>1, shown(frame))
	generated(t, "producers.md", "wire", text.String())
}

// shown is JSON as it is, and other bytes in hexadecimal.
func shown(value []byte) string {
	if json.Valid(value) {
		return string(value)
	}
	return strings.TrimSpace(hex.Dump(value))
}

// failing runs each producer where what it writes is refused, and where nothing answers. What it returns waits for them: each
// must have said so, and must not have ended with 0.
func (m *machine) failing(t *testing.T, here []*producer) (wait func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	t.Cleanup(cancel)
	checks := make(chan func(), 2*len(here))
	for _, brokers := range []string{refusingKafka(t), "127.0.0.1:1"} {
		for _, p := range here {
			running.Go(func() {
				command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", p.run)
				command.Dir = m.folder
				command.Env = append(slices.Clone(m.environ), "TRIBUTARY_KAFKA_BROKERS="+brokers)
				out, err := command.CombinedOutput()
				checks <- func() {
					var exit *exec.ExitError
					require.ErrorAs(t, err, &exit, "%s: %s", p.language, out)
					require.Equal(t, 1, exit.ExitCode(), "%s: %s", p.language, out)
					require.Contains(t, string(out), "not written", p.language)
				}
			})
		}
	}
	return func() {
		for range cap(checks) {
			(<-checks)()
		}
	}
}

// refusingKafka has the topics, and lets nobody write to them.
func refusingKafka(t *testing.T) string {
	t.Helper()
	kafka := stacktest.Cluster(t, devstack.KafkaConfig{})
	ensureTopics(t, kafka.Brokers())
	kafka.Cluster().ControlKey(int16(kmsg.Produce), func(request kmsg.Request) (kmsg.Response, error, bool) {
		kafka.Cluster().KeepControl()
		return refusal(request), nil, true
	})
	return strings.Join(kafka.Brokers(), ",")
}

func ensureTopics(t *testing.T, brokers []string) {
	t.Helper()
	admin, err := eventlog.NewAdmin(eventlog.Config{Brokers: brokers})
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{})
	require.NoError(t, err)
}

func refusal(request kmsg.Request) kmsg.Response {
	asked, _ := request.(*kmsg.ProduceRequest)
	answer, _ := asked.ResponseKind().(*kmsg.ProduceResponse)
	for _, topic := range asked.Topics {
		refused := kmsg.NewProduceResponseTopic()
		refused.Topic, refused.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			one := kmsg.NewProduceResponseTopicPartition()
			one.Partition, one.ErrorCode = partition.Partition, kerr.TopicAuthorizationFailed.Code
			refused.Partitions = append(refused.Partitions, one)
		}
		answer.Topics = append(answer.Topics, refused)
	}
	return answer
}
