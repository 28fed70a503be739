package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

// root is the repository, seen from this package.
const root = ".."

// patience bounds what a test waits for; only what is broken is waited for that long.
const patience = 3 * time.Minute

// image is the program as the image has it.
type image struct{ program string }

// makeImage makes the program by the line that the Dockerfile has, from the files that Docker would be sent.
func makeImage(t *testing.T, i image) {
	t.Helper()
	src := filepath.Join(t.TempDir(), "src")
	require.NoError(t, copyContext(root, src))
	command := exec.CommandContext(t.Context(), "make", "static", "VERSION=1.2.3-test", "BIN="+i.program)
	command.Dir, command.Env = src, environ()
	out, err := command.CombinedOutput()
	require.NoErrorf(t, err, "%s", out)
}

// TestTheImage holds what runs the program to it.
func TestTheImage(t *testing.T) {
	t.Parallel()
	made := image{filepath.Join(t.TempDir(), "tributary")}
	makeImage(t, made)
	for name, test := range map[string]func(*testing.T, image){
		"its program needs nothing beside it": testAlone,
		"it is made as here":                  testDockerfile,
		"every projection has a container":    testContainers,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, made)
		})
	}
}

// environ is the test's own environment with these variables, and without what points the program elsewhere.
func environ(variables ...string) []string {
	var kept []string
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "TRIBUTARY_") || strings.HasPrefix(entry, "TRIBUTARY_CACHE=") {
			kept = append(kept, entry)
		}
	}
	return append(kept, variables...)
}

// run runs the program to its end, in an empty folder, and returns its exit code and what it printed.
func (i image) run(t *testing.T, variables []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaints bytes.Buffer
	command := exec.CommandContext(t.Context(), i.program, args...)
	command.Dir, command.Env, command.Stdout, command.Stderr = t.TempDir(), environ(variables...), &out, &complaints
	err := command.Run()
	if command.ProcessState == nil {
		require.NoError(t, err)
	}
	return command.ProcessState.ExitCode(), out.String(), complaints.String()
}

// must runs a command that has to succeed, and returns what it printed.
func (i image) must(t *testing.T, variables []string, args ...string) string {
	t.Helper()
	code, stdout, stderr := i.run(t, variables, args...)
	require.Zero(t, code, "tributary %v\n%s%s", args, stdout, stderr)
	return stdout
}

// start starts the program as a container does, and returns where its health is served. With the test it is stopped as Docker does,
// which it has to answer by ending in order.
func (i image) start(t *testing.T, variables []string, args ...string) (url string) {
	t.Helper()
	said := &lines{}
	command := exec.CommandContext(context.WithoutCancel(t.Context()), i.program, args...)
	command.Dir, command.Env, command.Stderr = t.TempDir(), environ(variables...), said
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended by itself, which the next line tells
		require.NoError(t, <-ended, "tributary %v said:\n%s", args, said)
	})
	require.Eventually(t, func() bool { url = said.health(); return url != "" }, patience, 5*time.Millisecond, "%s", said)
	return url
}

// lines is what a process logs, as JSON, a line each.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// health is the URL that a projector says it serves its health at; empty until then.
func (l *lines) health() string {
	for line := range strings.Lines(l.String()) {
		var entry struct {
			Health string `json:"health"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Health != "" {
			return entry.Health
		}
	}
	return ""
}

func readFile(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(content)
}
