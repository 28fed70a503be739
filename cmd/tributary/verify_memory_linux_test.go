package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The proof's memory does not grow with the log: of four times as many events it is the same, but for noise. Whoever held an
// identity, a row or a payment for each event would be above that. The program is built without what watches for races, which takes
// a multiple. What grows with the log by design, a bit for each record and projection, is 50 KiB here.
func TestTheProofsMemoryDoesNotGrowWithTheLog(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program, and simulates and projects 160,000 events")
	}
	t.Parallel()
	const few, times = 40_000, 4
	b := migrated(t).withClickHouse(t)
	program := filepath.Join(t.TempDir(), "tributary")
	said, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, string(said))
	projectors := b.command(t, program, "project", "--metrics-addr", "127.0.0.1:0")
	require.NoError(t, projectors.Start())
	t.Cleanup(func() {
		require.NoError(t, projectors.Process.Signal(os.Interrupt))
		require.NoError(t, projectors.Wait())
	})
	grow := func(events, seed int) int64 {
		said, err := b.command(t, program, "simulate", "--events", strconv.Itoa(events), "--seed", strconv.Itoa(seed), "--wait").CombinedOutput()
		require.NoError(t, err, string(said))
		return b.proofMemory(t, program)
	}
	before := grow(few, 1)
	after := grow((times-1)*few, 2)
	t.Logf("peak memory: %d KiB of %d events, %d KiB of %d", before>>10, few, after>>10, times*few)
	// Runs of the same differ by a twentieth, and buffers fill until there are some more events: it is the same of a million.
	require.Less(t, after, before+before/6, "of %d bytes before", before) //nolint:mnd // some 30 bytes for each record more
}

// command is a run of the program on the books' servers.
func (b books) command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
	command.Env = append(os.Environ(), b.environ...)
	return command
}

// proofMemory is the most memory that verify takes, in bytes, sorting in as little as there is. Linux is asked as long as it runs:
// what it says at the end counts the memory of the process that started it.
func (b books) proofMemory(t *testing.T, program string) (peak int64) {
	t.Helper()
	command := b.command(t, program, "verify", "--memory", "1", "--json")
	command.Env = append(command.Env, "GOGC=10", "GOMAXPROCS=1") // Little garbage: what is measured is what is held.
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	often := time.NewTicker(time.Millisecond)
	defer often.Stop()
	for {
		select {
		case err := <-ended:
			require.NoError(t, err, stderr.String())
			require.Positive(t, peak)
			for _, p := range decode[struct{ Projections []verified }](t, stdout.String()).Projections {
				require.Zero(t, p.DifferencesTotal+p.Behind, p.Name)
			}
			return peak
		case <-often.C:
			status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", command.Process.Pid)) // it may be gone
			for line := range strings.Lines(string(status)) {
				var kibibytes int64
				if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kibibytes); n == 1 {
					peak = max(peak, kibibytes<<10)
				}
			}
		}
	}
}
