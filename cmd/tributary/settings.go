package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// setting is one thing that can be configured. Its flag and its variable follow from its key: kafka.ca_file is --kafka-ca-file
// and TRIBUTARY_KAFKA_CA_FILE.
type setting struct {
	key, fallback, usage string
	secret               bool // may hold a password
	rare                 bool // its flag is left out of --help, not of "tributary config"
}

// allSettings lists what is configured alike for all commands.
func allSettings() []setting {
	return []setting{
		{key: "kafka.brokers", usage: "Kafka brokers, host:port[,host:port…]"},
		{key: "kafka.tls", fallback: "false", rare: true, usage: "encrypt connections to Kafka"},
		{key: "kafka.ca_file", rare: true, usage: "PEM file with the authority of the brokers' certificates"},
		{key: "kafka.cert_file", rare: true, usage: "PEM file with our certificate for Kafka"},
		{key: "kafka.key_file", rare: true, usage: "PEM file with the key of our certificate for Kafka"},
		{key: "kafka.sasl_mechanism", rare: true, usage: "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"},
		{key: "kafka.sasl_username", rare: true, usage: "user at Kafka"},
		{key: "kafka.sasl_password", rare: true, secret: true, usage: "password at Kafka"},
		{key: "kafka.session_timeout", fallback: "10s", rare: true, usage: "how long a projector that is silent keeps its partitions"},
		{key: "postgres.url", secret: true, usage: "Postgres, postgres://user:password@host:port/database"},
		{key: "postgres.replicas", secret: true, rare: true, usage: "standbys of Postgres for reads over HTTP, URLs separated by commas"},
		{key: "clickhouse.url", secret: true, usage: "ClickHouse over HTTP, http://user:password@host:8123"},
		{key: "clickhouse.ca_file", rare: true, usage: "PEM file with the authority of ClickHouse's certificate, for https"},
		{key: "clickhouse.cert_file", rare: true, usage: "PEM file with our certificate for ClickHouse"},
		{key: "clickhouse.key_file", rare: true, usage: "PEM file with the key of our certificate for ClickHouse"},
		{key: "provider.sandbox.url", rare: true, usage: "the payment provider to try things with (\"tributary sandbox\")"},
		{key: "provider.sandbox.secret", rare: true, secret: true, usage: "what the sandbox signs its webhooks with"},
		{key: "payments.fee", fallback: "0", rare: true, usage: "what the platform keeps of payments, in hundredths of a percent"},
		{key: "http.addr", fallback: "127.0.0.1:8080", usage: "address of the HTTP API"},
		{key: "http.rate", fallback: "1000", rare: true, usage: "requests a second of one key, at each gateway; 0 for no bound"},
		{key: "http.max_connections", fallback: "10000", rare: true, usage: "connections to the HTTP API; past it the unused go"},
		{key: "http.max_requests", fallback: "2000", rare: true, usage: "requests under way at a gateway; past it 503; 0 for no bound"},
		{key: "http.trusted_proxies", rare: true, usage: "networks of proxies whose X-Forwarded-For is believed, 10.0.0.0/8[,…]"},
		{key: "http.cert_file", rare: true, usage: "PEM file with the HTTP API's certificate; read again when it changes"},
		{key: "http.key_file", rare: true, usage: "PEM file with the key of that certificate"},
		{key: "http.cors_origins", rare: true, usage: "origins whose pages may call the HTTP API, https://…[,https://…]; * for any"},
		{key: "oidc.issuer", rare: true, usage: "URL of an OpenID Connect issuer whose JWTs are taken beside API keys"},
		{key: "oidc.audience", rare: true, usage: "what its tokens must be meant for (aud)"},
		{key: "oidc.ledger", rare: true, usage: "the ledger of all its tokens; else a claim says it"},
		{key: "oidc.ledger_claim", fallback: "tributary_ledger", rare: true, usage: "claim with the ledger"},
		{key: "oidc.scopes_claim", fallback: "scope", rare: true, usage: "claim with the scopes: words, or a list"},
		{key: "oidc.owners_claim", rare: true, usage: "claim with the merchants and sites that a token is confined to"},
		{key: "metrics.addr", fallback: "127.0.0.1:9464", usage: "address of /livez, /readyz, /metrics"},
		{key: "log.level", fallback: "info", usage: "debug, info, warn or error"},
		{key: "log.format", fallback: "text", rare: true, usage: "text or json"},
	}
}

func (s setting) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(s.key) }

func (s setting) variable() string {
	return "TRIBUTARY_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

const (
	configFlag     = "config"
	configVariable = "TRIBUTARY_CONFIG"
	configFile     = "tributary.yaml"
	sourceDefault  = "default"
)

func addSettingFlags(flags *pflag.FlagSet) {
	flags.String(configFlag, "", "file with settings (default "+configFile+", where there is one)")
	for _, s := range allSettings() {
		usage := s.usage
		if s.fallback != "" {
			usage += " (default " + s.fallback + ")"
		}
		flags.String(s.flag(), "", usage)
		if s.rare {
			_ = flags.MarkHidden(s.flag()) // it is there: the line before adds it
		}
	}
}

// settings are those in force, each with where it came from.
type settings struct {
	values, sources map[string]string
}

// loadSettings lays flags over environment over file over defaults. A key of the file that nothing reads is an error: it is
// a misspelt one.
func loadSettings(flags *pflag.FlagSet, environ []string) (settings, error) {
	loaded := settings{values: map[string]string{}, sources: map[string]string{}}
	fromFile, path, err := loadFile(flags, environ)
	if err != nil {
		return settings{}, err
	}
	fromEnv, fromFlags := koanf.New("."), koanf.New(".")
	byVariable, byFlag := map[string]setting{}, map[string]setting{}
	for _, s := range allSettings() {
		byVariable[s.variable()], byFlag[s.flag()] = s, s
	}
	err = errors.Join(
		fromEnv.Load(env.Provider(".", env.Opt{
			Prefix:        "TRIBUTARY_",
			TransformFunc: func(k, v string) (string, any) { return byVariable[k].key, v },
			EnvironFunc:   func() []string { return environ },
		}), nil),
		fromFlags.Load(posflag.ProviderWithFlag(flags, ".", nil, func(f *pflag.Flag) (string, any) {
			if !f.Changed {
				return "", nil
			}
			return byFlag[f.Name].key, f.Value.String()
		}), nil),
	)
	if err != nil {
		return settings{}, fmt.Errorf("read the settings: %w", err)
	}
	for _, s := range allSettings() {
		loaded.values[s.key], loaded.sources[s.key] = s.fallback, sourceDefault
		loaded.overlay(s.key, path, fromFile)
		loaded.overlay(s.key, s.variable(), fromEnv)
		loaded.overlay(s.key, "--"+s.flag(), fromFlags)
	}
	return loaded, loaded.check()
}

func (s settings) overlay(key, source string, from *koanf.Koanf) {
	if !from.Exists(key) {
		return
	}
	if list := from.Strings(key); len(list) > 0 {
		s.values[key], s.sources[key] = strings.Join(list, ","), source
		return
	}
	s.values[key], s.sources[key] = from.String(key), source
}

// loadFile reads the file that was named, or else tributary.yaml if it is there.
func loadFile(flags *pflag.FlagSet, environ []string) (*koanf.Koanf, string, error) {
	k := koanf.New(".")
	path, named := configFile, false
	if value, ok := lookup(environ, configVariable); ok && value != "" {
		path, named = value, true
	}
	if flag := flags.Lookup(configFlag); flag != nil && flag.Changed {
		path, named = flag.Value.String(), true
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !named {
		return k, path, nil
	}
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		return nil, path, usagef("read settings from %s: %w", path, err)
	}
	known := map[string]bool{}
	for _, s := range allSettings() {
		known[s.key] = true
	}
	for _, key := range k.Keys() {
		if !known[key] {
			return nil, path, usagef("%s sets %s, which is no setting; there are %s",
				path, key, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return k, path, nil
}

func lookup(environ []string, name string) (string, bool) {
	for _, entry := range environ {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

func (s settings) get(key string) string    { return s.values[key] }
func (s settings) source(key string) string { return s.sources[key] }

// check refuses values that no command could use.
func (s settings) check() error {
	var level slog.Level
	if level.UnmarshalText([]byte(s.get("log.level"))) != nil {
		return usagef("log.level is %q (from %s): want debug, info, warn or error", s.get("log.level"), s.source("log.level"))
	}
	if format := s.get("log.format"); format != "text" && format != "json" {
		return usagef("log.format is %q (from %s): want text or json", format, s.source("log.format"))
	}
	if tls := s.get("kafka.tls"); tls != "true" && tls != "false" {
		return usagef("kafka.tls is %q (from %s): want true or false", tls, s.source("kafka.tls"))
	}
	if fee, err := strconv.Atoi(s.get("payments.fee")); err != nil || fee < 0 || fee > wholeFee {
		return usagef("payments.fee is %q (from %s): want hundredths of a percent, 0 to %d, such as 250 for 2.5 %%",
			s.get("payments.fee"), s.source("payments.fee"), wholeFee)
	}
	if s.sessionTimeout() <= 0 {
		return usagef("kafka.session_timeout is %q (from %s): want a time such as 10s",
			s.get("kafka.session_timeout"), s.source("kafka.session_timeout"))
	}
	return nil
}

// wholeFee is all of an amount.
const wholeFee = 10_000

// sessionTimeout is 0 where what is set is no time.
func (s settings) sessionTimeout() time.Duration {
	timeout, _ := time.ParseDuration(s.get("kafka.session_timeout"))
	return timeout
}

func (s settings) logLevel() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.get("log.level"))) // check has seen it
	return level
}

// with is these settings with some replaced, as by the embedded servers.
func (s settings) with(source string, variables map[string]string) settings {
	changed := settings{maps.Clone(s.values), maps.Clone(s.sources)}
	for _, known := range allSettings() {
		if value, ok := variables[known.variable()]; ok {
			changed.values[known.key], changed.sources[known.key] = value, source
		}
	}
	return changed
}
