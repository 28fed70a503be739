package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// patience bounds what a test waits for; only what is broken is waited for that long. It includes the servers' first
// installation.
const patience = 5 * time.Minute

// TestPagesAreTrue builds the program as it is, and holds the pages to what it does.
func TestPagesAreTrue(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "tributary")
	command := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "./cmd/tributary")
	command.Dir = root
	out, err := command.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
	for name, test := range map[string]func(*testing.T, string){
		"commands": testCommands, "queries": testQueries, "settings": testSettings, "command page": testCommandPage,
		"producers": testProducers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, program)
		})
	}
}

// machine is a clone of the repository on which `make dev` runs: everything in it is the repository's, but for bin and
// the data.
type machine struct {
	folder  string
	environ []string
}

// newMachine starts one; it ends with the test.
func newMachine(t *testing.T, program string) *machine {
	t.Helper()
	m := &machine{folder: stacktest.Dir(t), environ: environ()}
	repository, err := filepath.Abs(root)
	require.NoError(t, err)
	entries, err := os.ReadDir(repository)
	require.NoError(t, err)
	for _, entry := range entries {
		switch name := entry.Name(); name {
		case "bin", ".tributary", "tributary.yaml", ".git":
		default:
			require.NoError(t, os.Symlink(filepath.Join(repository, name), filepath.Join(m.folder, name)))
		}
	}
	require.NoError(t, os.Mkdir(filepath.Join(m.folder, "bin"), 0o750))
	require.NoError(t, os.Symlink(program, filepath.Join(m.folder, "bin", "tributary")))
	m.dev(t)
	return m
}

// environ is the test's own environment, without what points the program elsewhere.
func environ() []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TRIBUTARY_") || strings.HasPrefix(entry, "TRIBUTARY_CACHE=") {
			kept = append(kept, entry)
		}
	}
	return kept
}

// dev runs `tributary dev` until the test ends, and returns when it is ready.
func (m *machine) dev(t *testing.T) {
	t.Helper()
	var said bytes.Buffer
	command := exec.CommandContext(context.Background(), filepath.Join(m.folder, "bin", "tributary"), "dev", "--ports", "auto")
	command.Dir, command.Env, command.Stdout, command.Stderr = m.folder, m.environ, &said, &said
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGINT) // it may have ended by itself, which the next line tells
		require.NoError(t, <-ended, "tributary dev said:\n%s", &said)
	})
	require.Eventually(t, func() bool {
		select {
		case err := <-ended:
			ended <- err
			return true
		default:
		}
		_, err := os.Stat(filepath.Join(m.folder, ".tributary", "endpoints.env"))
		return err == nil
	}, patience, 20*time.Millisecond)
	require.FileExists(t, filepath.Join(m.folder, ".tributary", "endpoints.env"), "tributary dev has ended")
}

// shell runs a script on the machine as a user would type it, and returns what it printed.
func (m *machine) shell(t *testing.T, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script)
	command.Dir, command.Env = m.folder, m.environ
	out, err := command.CombinedOutput()
	require.NoErrorf(t, err, "the page's commands said:\n%s", out)
	return string(out)
}

// testCommands runs the commands of each page, in a shell and with servers of its own.
func testCommands(t *testing.T, program string) {
	t.Helper()
	for _, p := range pages(t) {
		all := ofKind(p.blocks(), "sh", "output")
		if len(ofKind(all, "sh")) == 0 {
			continue
		}
		t.Run(p.path, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, program)
			compare(t, all, m.shell(t, script(all)))
			testAnswers(t, openWarehouse(t, m), p)
			if len(ofKind(p.blocks(), "sh pypi")) > 0 {
				t.Run("with packages from PyPI", func(t *testing.T) { testPyPI(t, m, p) })
			}
		})
	}
}

// script is a page's commands; a line with the number of its block goes before what each prints.
func script(all []block) string {
	var text strings.Builder
	for i, b := range all {
		if !strings.HasPrefix(b.kind, "output") {
			fmt.Fprintf(&text, "echo '%s'\n%s", mark(i), b.text)
		}
	}
	return text.String()
}

func mark(i int) string { return fmt.Sprintf("block %d of this page:", i) }

// compare looks for each line of an output block in what the commands before it printed, in order.
func compare(t *testing.T, all []block, printed string) {
	t.Helper()
	for i, b := range all {
		if !strings.HasPrefix(b.kind, "output") {
			continue
		}
		require.Positive(t, i, "%s:%d: there is no command before this output", b.page, b.line)
		_, rest, found := strings.Cut(printed, mark(i-1)+"\n")
		require.True(t, found, "%s:%d: output has to follow its command", b.page, b.line)
		rest, _, _ = strings.Cut(rest, "\nblock ")
		for line := range strings.Lines(b.text) {
			require.Regexp(t, pattern(line), rest, "%s:%d: %q is not printed", b.page, b.line, line)
		}
	}
}

// pattern matches a line of a document: any spaces stand for spaces, an ellipsis for whatever stays on the line.
func pattern(line string) *regexp.Regexp {
	parts := strings.Split(strings.TrimSpace(line), "…")
	for i, part := range parts {
		words := strings.Fields(part)
		for n, word := range words {
			words[n] = regexp.QuoteMeta(word)
		}
		parts[i] = strings.Join(words, `[ ]+`)
	}
	return regexp.MustCompile(`(?m)^[ ]*` + strings.Join(parts, `.*`) + `[ ]*$`)
}

// testQueries runs the queries of all pages, and compares the views with the page that describes them.
func testQueries(t *testing.T, program string) {
	t.Helper()
	m := newMachine(t, program)
	url := strings.TrimSpace(m.shell(t, `. .tributary/endpoints.env
		export TRIBUTARY_KAFKA_BROKERS TRIBUTARY_POSTGRES_URL TRIBUTARY_CLICKHOUSE_URL
		bin/tributary publish cmd/tributary/sample.ndjson --wait >/dev/null 2>&1
		echo "$TRIBUTARY_POSTGRES_URL"`))
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) })
	generated(t, "tables.md", "views", viewTables(t, conn))
	generated(t, "tables.md", "revenue", revenueTables(t, openWarehouse(t, m)))
	ran := 0
	for _, p := range pages(t) {
		for _, b := range ofKind(p.blocks(), "sql") {
			_, err := conn.Exec(t.Context(), "BEGIN READ ONLY; "+b.text+"; ROLLBACK")
			require.NoError(t, err, "%s:%d", b.page, b.line)
			ran++
		}
	}
	require.Positive(t, ran)
}
