package devstack

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// EndpointsFile is the name of the file, in a stack's data folder, that says where the servers are.
const EndpointsFile = "endpoints.env"

// Endpoints says where servers listen; what a stack does not run is empty.
type Endpoints struct {
	KafkaBrokers  []string // each host:port
	PostgresURL   string   // with user and password
	ClickHouseURL string   // of HTTP, with user and password
}

// Env returns the endpoints as the variables that every command of Tributary reads.
func (e Endpoints) Env() map[string]string {
	env := map[string]string{}
	if len(e.KafkaBrokers) > 0 {
		env["TRIBUTARY_KAFKA_BROKERS"] = strings.Join(e.KafkaBrokers, ",")
	}
	if e.PostgresURL != "" {
		env["TRIBUTARY_POSTGRES_URL"] = e.PostgresURL
	}
	if e.ClickHouseURL != "" {
		env["TRIBUTARY_CLICKHOUSE_URL"] = e.ClickHouseURL
	}
	return env
}

// writeEndpoints writes them so that a shell can read the file, by `set -a; . endpoints.env`.
func writeEndpoints(data string, endpoints Endpoints, extra map[string]string) (string, error) {
	env := endpoints.Env()
	maps.Copy(env, extra)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(&text, "%s=%s\n", name, shellQuote(env[name]))
	}
	path := filepath.Join(data, EndpointsFile)
	return path, writeAtomic(path, []byte(text.String())) // it holds passwords
}

func removeEndpoints(data string) error {
	if err := os.Remove(filepath.Join(data, EndpointsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the endpoints of an ended stack: %w", err)
	}
	return nil
}

// shellQuote makes any text one word of a POSIX shell.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
