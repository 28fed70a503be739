package deploy_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// composedStack is what docker-compose.yml runs, as far as it runs without Docker: the same versions of the servers under the settings
// and users of their containers, and the image's program with the commands and settings of its own.
type composedStack struct {
	image   image
	project *types.Project
	// settings are a container's variables, with addresses of this machine.
	settings []string
	reader   string // ClickHouse's URL for the user who only reads

	clickhouse *devstack.ClickHouse
	// health is where each projector serves it.
	health map[string]string
}

// TestTheStackAsComposed runs it, and its parts one after the other.
//
//nolint:paralleltest // the users of ClickHouse have their passwords from the environment, as in the container
func TestTheStackAsComposed(t *testing.T) {
	project := composed(t)
	for _, service := range project.Services {
		for name, value := range service.Environment {
			if value != nil && (name == "READER_PASSWORD" || name == "TRIBUTARY_PASSWORD" && strings.HasPrefix(service.Image, "clickhouse/")) {
				t.Setenv(name, *value)
			}
		}
	}
	s := &composedStack{image: image{filepath.Join(t.TempDir(), "tributary")}, project: project, health: map[string]string{}}
	makeImage(t, s.image)
	s.clickhouse = composedClickHouse(t)
	warehouse := s.clickhouse.URL()
	s.reader = as(warehouse, "reader", os.Getenv("READER_PASSWORD"))
	addresses := map[string]string{
		"TRIBUTARY_KAFKA_BROKERS":  strings.Join(composedKafka(t, project), ","),
		"TRIBUTARY_POSTGRES_URL":   composedPostgres(t, project),
		"TRIBUTARY_CLICKHOUSE_URL": as(warehouse, "projector", os.Getenv("TRIBUTARY_PASSWORD")),
		"TRIBUTARY_METRICS_ADDR":   "127.0.0.1:0",
	}
	for name, value := range project.Services["balances"].Environment {
		if here, ok := addresses[name]; ok {
			value = &here
		}
		s.settings = append(s.settings, name+"="+*value)
	}
	s.run(t)
	t.Run("every health check answers", s.testHealth)
	t.Run("the reader reads, and nothing else", s.testReader)
	t.Run("the dashboard for analysts has its figures", func(t *testing.T) { testQueries(t, s.reader) })
	t.Run("every metric that is named is there", s.testMetrics)
	t.Run("Prometheus sees it", s.testPrometheus)
	t.Run("an alert fires, and is over", s.testOutage)
	t.Run("it is proven", func(t *testing.T) { require.Contains(t, s.image.must(t, s.settings, "verify"), "proven") })
}

// run does what the containers do, in their order, and publishes what dashboards can show.
func (s *composedStack) run(t *testing.T) {
	t.Helper()
	s.image.must(t, s.settings, s.project.Services["migrate"].Command...)
	for name, service := range s.project.Services {
		if isProjector(service) {
			s.health[name] = s.image.start(t, s.settings, service.Command...)
		}
	}
	require.NotEmpty(t, s.health)
	s.publish(t, "6_000", "7", "--wait")
}

// publish makes so many events up and publishes them.
func (s *composedStack) publish(t *testing.T, events, seed string, flags ...string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "events.ndjson")
	s.image.must(t, nil, "simulate", "--events", events, "--seed", seed, "--accounts", "20", "--start", "2024-01-01T00:00:00Z",
		"--span", "17000h", "--out", file)
	s.image.must(t, s.settings, append([]string{"publish", file}, flags...)...)
}

// composedKafka is Kafka under the settings of its container, as far as they do not say where it listens: of the real one where Java and
// Maven are, else the embedded one, for what comes after.
func composedKafka(t *testing.T, project *types.Project) []string {
	t.Helper()
	if err := devstack.ApacheKafkaHere(t.Context()); err != nil {
		t.Logf("SKIPPED, Kafka's settings not tested, the rest runs on the embedded Kafka: %v", err)
		return stacktest.Kafka(t)
	}
	settings := properties(t, project)
	for _, place := range []string{
		"listeners", "advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name",
		"controller.quorum.voters", "log.dirs",
	} {
		require.Contains(t, settings, place)
		delete(settings, place)
	}
	return stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{Configs: settings}).Brokers()
}

// properties are what the image makes of its environment: KAFKA_A_B is a.b, and two of those underlines are one.
func properties(t *testing.T, project *types.Project) map[string]string {
	t.Helper()
	all := map[string]string{}
	for name, value := range project.Services["kafka"].Environment {
		if key, ok := strings.CutPrefix(name, "KAFKA_"); ok && key != "HEAP_OPTS" {
			all[strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(key), "_", "."), "..", "_")] = *value
		}
	}
	return all
}

func TestKafkasListenersAgree(t *testing.T) {
	t.Parallel()
	kafka := composed(t).Services["kafka"]
	settings := properties(t, composed(t))
	id, err := base64.RawURLEncoding.DecodeString(*kafka.Environment["CLUSTER_ID"])
	require.NoError(t, err)
	require.Len(t, id, 16, "a cluster's id is a UUID")
	ports := map[string]string{}
	for listener := range strings.SplitSeq(settings["listeners"], ",") {
		name, address, _ := strings.Cut(listener, "://")
		ports[name] = address[strings.LastIndex(address, ":")+1:]
		require.Contains(t, strings.Split(settings["listener.security.protocol.map"], ","), name+":PLAINTEXT")
	}
	require.Equal(t, []string{"CONTROLLER", "HOST", "INSIDE"}, slices.Sorted(keys(ports)))
	require.Equal(t, "CONTROLLER", settings["controller.listener.names"])
	require.Equal(t, "INSIDE", settings["inter.broker.listener.name"])
	require.Equal(t, settings["node.id"]+"@localhost:"+ports["CONTROLLER"], settings["controller.quorum.voters"])
	require.Equal(t, "INSIDE://kafka:"+ports["INSIDE"]+",HOST://localhost:"+kafka.Ports[0].Published, settings["advertised.listeners"])
	require.Equal(t, ports["HOST"], kafka.Ports[0].Published, "clients of this machine are sent to the port that is published")
	require.Equal(t, "kafka:"+ports["INSIDE"], *composed(t).Services["balances"].Environment["TRIBUTARY_KAFKA_BROKERS"])
	check := kafka.HealthCheck.Test
	require.Equal(t, "kafka:"+ports["INSIDE"], check[len(check)-1], "it is asked where it sends clients back to")
	require.Equal(t, kafka.Volumes[0].Target, settings["log.dirs"], "the log is where the volume is")
}

func keys(of map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range of {
			if !yield(key) {
				return
			}
		}
	}
}

// composedPostgres is Postgres under the settings of its container, with the role and the database that roles.sql makes, as their owner.
func composedPostgres(t *testing.T, project *types.Project) string {
	t.Helper()
	service, settings := project.Services["postgres"], map[string]string{}
	for _, word := range service.Command[1:] {
		name, value, ok := strings.Cut(strings.TrimPrefix(word, "-c"), "=")
		require.True(t, ok && strings.HasPrefix(word, "-c"), word)
		settings[name] = value
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Home: stacktest.Dir(t), Settings: settings})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })

	const owner = "books_owner" // tributary is the administrator here
	password := *service.Environment["TRIBUTARY_PASSWORD"]
	script := regexp.MustCompile(`(?m)^(--|\\).*\n`).ReplaceAllString(readFile(t, "postgres", "roles.sql"), "")
	script = strings.NewReplacer(":'password'", "'"+password+"'", "tributary", owner).Replace(script)
	admin, err := pgx.Connect(ctx, withDatabase(t, server.URL(), "postgres"))
	require.NoError(t, err)
	for statement := range strings.SplitSeq(strings.TrimSpace(script), ";\n") {
		_, err = admin.Exec(ctx, statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, admin.Close(ctx))
	inside := *project.Services["balances"].Environment["TRIBUTARY_POSTGRES_URL"]
	require.Equal(t, "postgres://tributary:"+password+"@postgres:5432/tributary", inside)
	return as(withDatabase(t, server.URL(), owner), owner, password)
}

func withDatabase(t *testing.T, address, database string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	parsed.Path = "/" + database
	return parsed.String()
}

// as is a server's URL for a user.
func as(address, user, password string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		panic(err) // a server of ours gave it
	}
	parsed.User = url.UserPassword(user, password)
	return parsed.String()
}

// composedClickHouse is ClickHouse with the files that its container has beside the image's own.
func composedClickHouse(t *testing.T) *devstack.ClickHouse {
	t.Helper()
	home := stacktest.Dir(t)
	for _, name := range []string{"config.d/tributary.xml", "users.d/tributary.xml"} {
		require.NoError(t, copyFile(filepath.Join("clickhouse", name), filepath.Join(home, name)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	server, err := devstack.StartClickHouse(ctx, devstack.ClickHouseOptions{Home: home, Small: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	ratio := query(t, server.URL(), "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage_to_ram_ratio'")
	require.Equal(t, "0.8", strings.TrimSpace(ratio), "config.d was not read")
	return server
}

// testHealth runs the health check of each container where its projector serves.
func (s *composedStack) testHealth(t *testing.T) {
	for name, service := range s.project.Services {
		if s.health[name] == "" {
			continue
		}
		here := append(slices.Clone(s.settings), "TRIBUTARY_METRICS_ADDR="+strings.TrimPrefix(s.health[name], "http://"))
		require.Eventually(t, func() bool {
			code, _, _ := s.image.run(t, here, service.HealthCheck.Test[2:]...)
			return code == 0
		}, patience, 20*time.Millisecond, name)
	}
	var answer struct {
		Projections []struct {
			State string `json:"state"`
		} `json:"projections"`
	}
	require.NoError(t, json.Unmarshal([]byte(s.image.must(t, s.settings, "status", "--json")), &answer))
	require.Len(t, answer.Projections, len(s.health))
	for _, projection := range answer.Projections {
		require.Equal(t, "ready", projection.State)
	}
}

// testReader holds the user of dashboards to reading, within limits.
func (s *composedStack) testReader(t *testing.T) {
	require.NotEmpty(t, query(t, s.reader, "SELECT count() FROM revenue.by_month"))
	for _, forbidden := range []string{
		"INSERT INTO revenue.fence VALUES ('payments/0', 99)", "DROP DATABASE revenue", "CREATE TABLE revenue.mine (n UInt8) ENGINE = Memory",
		"SET max_memory_usage = 9000000000", "SELECT * FROM system.users", "SELECT * FROM url('http://127.0.0.1:1', CSV, 'n UInt8')",
	} {
		status, answer := post(t, s.reader, forbidden)
		require.NotEqual(t, 200, status, "%s\n%s", forbidden, answer)
	}
	status, answer := post(t, as(s.reader, "reader", "guessed"), "SELECT 1")
	require.NotEqual(t, 200, status, answer)
	writer := s.settings[slices.IndexFunc(s.settings, func(v string) bool { return strings.HasPrefix(v, "TRIBUTARY_CLICKHOUSE_URL=") })]
	_, writer, _ = strings.Cut(writer, "=")
	status, answer = post(t, writer, "SET async_insert = 1")
	require.NotEqual(t, 200, status, answer)
	status, answer = post(t, writer, "CREATE USER other")
	require.NotEqual(t, 200, status, answer)
}
