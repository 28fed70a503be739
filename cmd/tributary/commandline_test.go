package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

func TestEveryHelpHasAnExample(t *testing.T) {
	t.Parallel()
	var walk func(command *cobra.Command)
	walk = func(command *cobra.Command) {
		if command.Hidden {
			return
		}
		require.NotEmpty(t, command.Example, command.CommandPath())
		require.NotEmpty(t, command.Short, command.CommandPath())
		words := strings.Fields(command.CommandPath())[1:]
		got := books{}.run(t, append(words, "--help")...)
		require.Equal(t, exitDone, got.code, got.stderr)
		require.Contains(t, got.stdout, "Examples:")
		require.Empty(t, got.stderr)
		for line := range strings.Lines(got.stdout) {
			require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 100, "tributary %v: %s", words, line)
		}
		for _, child := range command.Commands() {
			walk(child)
		}
	}
	walk(newRootCommand(&app{}))
}

func TestWrongUseExitsWithTwo(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an unknown command":               {"conquer"},
		"help for an unknown one":          {"help", "conquer"},
		"an unknown flag":                  {"status", "--colour"},
		"an unknown projection":            {"project", "horoscopes"},
		"an unprovable one":                {"verify", "horoscopes"},
		"too many arguments":               {"migrate", "now"},
		"a missing argument":               {"quarantine", "show"},
		"no position":                      {"quarantine", "show", "payments"},
		"a missing file":                   {"publish", "/no/such/file"},
		"a folder":                         {"publish", "/"},
		"flags against each other":         {"publish", "--dry-run", "--wait"},
		"no number":                        {"get", "balance", "--limit", "many"},
		"a limit of none":                  {"get", "balance", "--limit", "0"},
		"entries of a prefix":              {"get", "balance", "merchant:", "--entries"},
		"neither id nor list":              {"get", "payment"},
		"both id and list":                 {"get", "receipt", "r", "--user", "u"},
		"a negative number":                {"migrate", "--partitions=-1"},
		"unknown ports":                    {"dev", "--ports", "lucky"},
		"a wrong level":                    {"status", "--log-level", "loud"},
		"a missing config":                 {"status", "--config", "/no/such/file"},
		"an unknown period":                {"get", "revenue", "--by", "fortnight"},
		"an unknown zone":                  {"get", "revenue", "--tz", "Asia/Kolkatta"},
		"an unknown stream":                {"get", "revenue", "--stream", "tears"},
		"no day":                           {"get", "revenue", "--from", "yesterday"},
		"days the wrong way round":         {"get", "revenue", "--from", "2026-03-02", "--to", "2026-03-01"},
		"a year out of reach":              {"get", "revenue", "--year", "26"},
		"no ClickHouse configured":         {"get", "revenue"},
		"a ClickHouse that is none":        {"get", "revenue", "--clickhouse-url", "8123"},
		"a ClickHouse by its own protocol": {"get", "revenue", "--clickhouse-url", "clickhouse://localhost:9000"},
		"no servers configured":            {"status"},
		"no broker configured":             {"migrate", "--kafka-brokers", ""},
		"a URL that is none":               {"get", "balance", "--postgres-url", "postgres://a b:c"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := books{}.run(t, args...)
			require.Equal(t, exitUsage, got.code, "%s%s", got.stdout, got.stderr)
			require.Empty(t, got.stdout)
			require.Contains(t, got.stderr, "tributary: ")
			require.Contains(t, got.stderr, `--help".`)
			require.NotContains(t, got.stderr, "Usage:")
		})
	}
}

func TestServersThatAreAwayExitWithThree(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := listener.Addr().String()
	require.NoError(t, listener.Close())
	events := write(t, sample)
	for name, args := range map[string][]string{
		"migrate":    {"migrate"},
		"publish":    {"publish", events},
		"status":     {"status"},
		"verify":     {"verify"},
		"balance":    {"get", "balance"},
		"quarantine": {"quarantine", "list"},
		"revenue":    {"get", "revenue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			away := booksAt([]string{nobody}, "postgres://user:secret@"+nobody+"/books")
			away.environ = append(away.environ, clickhouseVariable+"=http://user:secret@"+nobody)
			got := away.run(t, args...)
			require.Equal(t, exitUnreachable, got.code, "%s%s", got.stdout, got.stderr)
			require.Contains(t, got.stderr, nobody)
			require.Contains(t, got.stderr, "connection refused")
			require.Contains(t, got.stderr, "TRIBUTARY_")
			require.NotContains(t, got.stderr, "secret")
			sentences := 1
			if name == "status" {
				sentences = 3 // of Kafka, ClickHouse and Postgres
			}
			require.Equal(t, sentences, strings.Count(got.stderr, "\n"), got.stderr)
		})
	}
}

func TestSettingsComeInOrder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tributary.yaml")
	text := "kafka:\n  brokers: [one:1, two:2]\n  tls: true\n  sasl_password: hush\n" +
		"postgres:\n  url: postgres://file@db/books\nlog:\n  level: debug\n"
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	b := books{environ: []string{
		"TRIBUTARY_CONFIG=" + file, "TRIBUTARY_POSTGRES_URL=postgres://me:hush@db/books?sslpassword=hush", "TRIBUTARY_LOG_LEVEL=warn", "HOME=/",
	}}
	got := b.run(t, "config", "--json", "--log-level", "error")
	require.Equal(t, exitDone, got.code, got.stderr)
	require.NotContains(t, got.stdout, "hush")
	values, sources := map[string]string{}, map[string]string{}
	for _, line := range decodeLines[configLine](t, got.stdout) {
		values[line.Key], sources[line.Key] = line.Value, line.Source
	}
	require.Equal(t, "one:1,two:2", values["kafka.brokers"])
	require.Equal(t, file, sources["kafka.brokers"])
	require.Equal(t, "true", values["kafka.tls"])
	require.Equal(t, "postgres://me:****@db/books?sslpassword=****", values["postgres.url"])
	require.Equal(t, "TRIBUTARY_POSTGRES_URL", sources["postgres.url"])
	require.Equal(t, "error", values["log.level"])
	require.Equal(t, "--log-level", sources["log.level"])
	require.Equal(t, "default", sources["metrics.addr"])
	require.Equal(t, "****", values["kafka.sasl_password"])

	require.Contains(t, b.must(t, "config").stdout, "kafka.brokers")
	require.NoError(t, os.WriteFile(file, []byte("kafka:\n  broker: one:1\n"), 0o600))
	got = b.run(t, "config")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.stderr, "kafka.broker, which is no setting")
}

func TestSecretsAreMasked(t *testing.T) {
	t.Parallel()
	for secret, shown := range map[string]string{
		"postgres://u:p@h:5432/d":                     "postgres://u:****@h:5432/d",
		"postgres://u@h/d?password=p&sslmode=require": "postgres://u@h/d?password=****&sslmode=require",
		"postgres://h/d":                              "postgres://h/d",
		"postgres://u:p@a/d,postgresql://u:q@b,c/d":   "postgres://u:****@a/d,postgresql://u:****@b,c/d",
		"host=h password=p user=u":                    "host=h password=**** user=u",
		"host=h password = 'p q' user=u":              "host=h password = **** user=u",
		"whatever":                                    "****",
	} {
		require.Equal(t, shown, mask(secret))
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Contains(t, books{}.must(t, "version").stdout, "tributary dev")
	require.Equal(t, books{}.must(t, "version").stdout, books{}.must(t, "--version").stdout)
	require.Equal(t, "dev", decode[map[string]string](t, books{}.must(t, "version", "--json").stdout)["version"])
}

func TestWrongUseIsToldInWordsOfTheCommand(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"simulate --events zero":    `--events wants a whole number, and is "zero"`,
		"get balance --limit many":  `--limit wants a whole number, and is "many"`,
		"get revenue --year now":    `--year wants a whole number, and is "now"`,
		"story":                     "story wants an ID: tributary story ID",
		"quarantine show":           "show wants a POSITION: tributary quarantine show POSITION",
		"story pay-1001 pay-1002":   "story wants fewer arguments than 2: tributary story ID",
		"quarantine list --limit x": `--limit wants a whole number`,
	} {
		got := books{}.run(t, strings.Fields(args)...)
		require.Equal(t, exitUsage, got.code, args)
		require.Contains(t, got.stderr, says, args)
	}
}

func TestAMistypedCommandIsGuessed(t *testing.T) {
	t.Parallel()
	require.Contains(t, books{}.run(t, "publsh").stderr, `did you mean "publish"?`)
	require.Contains(t, books{}.run(t, "get", "recipt").stderr, `did you mean "receipt"?`)
	require.Contains(t, books{}.run(t, "quarantine", "lst").stderr, `did you mean "list"?`)
	require.NotContains(t, books{}.run(t, "conquer").stderr, "did you mean")
}

func TestHelpOfACommand(t *testing.T) {
	t.Parallel()
	require.Equal(t, books{}.must(t, "get", "balance", "--help").stdout, books{}.must(t, "help", "get", "balance").stdout)
	require.Equal(t, books{}.must(t, "--help").stdout, books{}.must(t, "help").stdout)
}

func TestTheShellCompletesNames(t *testing.T) {
	t.Parallel()
	got := books{}.must(t, "__complete", "project", "balances", "")
	require.Contains(t, got.stdout, "quarantine")
	require.NotContains(t, got.stdout, "balances")
	require.Contains(t, books{}.must(t, "__complete", "dev", "--ports", "").stdout, "auto")
	require.Contains(t, books{}.must(t, "completion", "bash").stdout, "__complete")
}
