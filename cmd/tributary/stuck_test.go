package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// redWithin is how soon a projector has to say that it is stuck.
const redWithin = time.Minute

// stuckStack is a stack with two processes: the revenue, and all else.
type stuckStack struct {
	*ownServers

	revenue, others             *spawned
	revenueHealth, othersHealth string
}

func newStuckStack(t *testing.T) *stuckStack {
	t.Helper()
	s := &stuckStack{ownServers: newServers(t)}
	s.revenue, s.revenueHealth = s.projectors("revenue")
	s.others, s.othersHealth = s.projectors("balances", "receipts", "receivers", "quarantine", "subjects")
	s.publish(200, 1)
	s.caughtUp()
	s.allReady()
	return s
}

func (s *stuckStack) allReady() time.Duration {
	s.Helper()
	return s.eventually(redWithin, "all are ready", func() bool {
		report, code := s.report()
		for _, p := range report.Projections {
			if p.State != stateReady || p.Since != nil {
				return false
			}
		}
		first, _ := s.readiness(s.revenueHealth)
		second, _ := s.readiness(s.othersHealth)
		return code == exitDone && first && second
	})
}

// turnsRed waits for it, and that it says so without a gap from then on.
func (s *stuckStack) turnsRed(health, reason string) time.Duration {
	s.Helper()
	why := ""
	defer func() {
		if s.Failed() {
			s.Logf("the last that it said was %q", why)
		}
	}()
	took := s.eventually(redWithin, "it turns red: "+reason, func() bool {
		var ready bool
		ready, why = s.readiness(health)
		return !ready && strings.Contains(why, reason)
	})
	s.staysRed(health)
	return took
}

func (s *stuckStack) staysRed(health string) {
	s.Helper()
	const looks = 30
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for range looks {
		ready, _ := s.readiness(health)
		require.False(s, ready, "it flaps")
		<-ticker.C
	}
}

// stuck waits until status says so of a projection.
func (s *stuckStack) stuck(name, state, reason string) projectionStatus {
	s.Helper()
	var found projectionStatus
	s.eventually(redWithin, "status says of "+name+": "+reason, func() bool {
		found = s.of(name)
		return found.State == state && found.Since != nil && strings.Contains(found.Reason, reason)
	})
	require.Less(s, time.Since(*found.Since), 2*redWithin)
	return found
}

func TestClickHouseIsDown(t *testing.T) {
	t.Parallel()
	s := newStuckStack(t)
	for _, idle := range []bool{true, false} {
		require.NoError(t, s.clickhouseServer.Kill())
		if !idle {
			s.publish(200, 2)
		}
		t.Logf("idle %t: red after %s", idle, s.turnsRed(s.revenueHealth, "connection refused"))
		found := s.stuck("revenue", stateStuck, "connection refused")
		require.Len(t, found.Projectors, 1)
		report, code := s.report()
		require.Equal(t, exitUnreachable, code)
		require.Len(t, report.Unreachable, 1)
		require.Contains(t, s.run(t, "status").stdout, "  revenue: since ")
		s.eventually(redWithin, "the others go on", func() bool {
			p := s.of("balances")
			return p.State == stateReady && p.LagEvents == 0
		})
		ready, why := s.readiness(s.othersHealth)
		require.True(t, ready, why)
		require.NoError(t, s.clickhouseServer.Restart(t.Context()))
		t.Logf("idle %t: all ready %s after it was back", idle, s.allReady())
	}
	require.NoError(t, s.clickhouseServer.Pause())
	t.Logf("paused: red after %s", s.turnsRed(s.revenueHealth, "store"))
	require.NoError(t, s.clickhouseServer.Resume())
	t.Logf("paused: all ready %s after it went on", s.allReady())
	s.caughtUp()
}

func TestPostgresIsDown(t *testing.T) {
	t.Parallel()
	s := newStuckStack(t)
	for _, idle := range []bool{true, false} {
		require.NoError(t, s.postgresServer.Kill())
		if !idle {
			s.publish(200, 2)
		}
		t.Logf("idle %t: red after %s and %s", idle, s.turnsRed(s.othersHealth, "connection refused"),
			s.turnsRed(s.revenueHealth, "connection refused"))
		report, code := s.report()
		require.Equal(t, exitUnreachable, code)
		require.Len(t, report.Projections, len(projectionNames()))
		for _, p := range report.Projections {
			require.Equal(t, stateStuck, p.State)
			require.Contains(t, p.Reason, "Postgres does not answer")
		}
		require.NotNil(t, report.Kafka)
		require.NotNil(t, report.ClickHouse)
		require.NoError(t, s.postgresServer.Restart(t.Context()))
		t.Logf("idle %t: all ready %s after it was back", idle, s.allReady())
	}
	s.caughtUp()
}

func TestKafkaIsDown(t *testing.T) {
	t.Parallel()
	s := newStuckStack(t)
	require.NoError(t, s.kafkaServer.Kill())
	t.Logf("red after %s and %s", s.turnsRed(s.othersHealth, "brokers"), s.turnsRed(s.revenueHealth, "brokers"))
	for _, name := range projectionNames() {
		s.stuck(name, stateStuck, "brokers: ")
	}
	_, code := s.report()
	require.Equal(t, exitUnreachable, code)
	require.NoError(t, s.kafkaServer.Restart(t.Context()))
	t.Logf("all ready %s after it was back", s.allReady())
}

func TestAProjectorIsPausedOrKilled(t *testing.T) {
	t.Parallel()
	s := newStuckStack(t)
	for _, name := range []string{"paused", "killed"} {
		signal := map[string]syscall.Signal{"paused": syscall.SIGSTOP, "killed": syscall.SIGKILL}[name]
		began := time.Now()
		s.revenue.signal(signal)
		found := s.stuck("revenue", stateStopped, "no projector runs")
		t.Logf("%s: told after %s: %s", name, time.Since(began).Round(time.Second/10), found.Reason)
		require.Contains(t, found.Reason, "was last heard")
		require.Equal(t, projectorSilent, found.Projectors[0].State)
		require.Equal(t, s.revenue.command.Process.Pid, found.Projectors[0].PID)
		require.WithinRange(t, *found.Since, began.Add(-2*reportEvery), began.Add(time.Second))
		require.Equal(t, stateReady, s.of("balances").State)
		if signal == syscall.SIGSTOP {
			s.revenue.signal(syscall.SIGCONT)
		} else {
			s.revenue, s.revenueHealth = s.projectors("revenue")
		}
		t.Logf("%s: all ready after %s", name, s.allReady())
	}
}

// A copy that falls silent is told of, and the others have its partitions.
func TestOneOfTwoProjectorsIsPaused(t *testing.T) {
	t.Parallel()
	s := newStuckStack(t)
	second, _ := s.projectors("revenue")
	s.eventually(redWithin, "two run", func() bool { return len(s.of("revenue").Projectors) == 2 && *s.of("revenue").Members == 2 })
	second.signal(syscall.SIGSTOP)
	s.eventually(redWithin, "status tells of the silent one", func() bool {
		p := s.of("revenue")
		return p.State == stateReady && strings.Contains(p.Reason, "a copy (") && *p.Members == 1
	})
	second.signal(syscall.SIGCONT)
	second.signal(syscall.SIGTERM)
	require.Equal(t, exitDone, second.exitCode())
	s.eventually(redWithin, "one that ends in order is not told of", func() bool {
		p := s.of("revenue")
		return len(p.Projectors) == 1 && p.Reason == "" && p.State == stateReady
	})
}

// A bug stops a projector; status keeps its last words until another one runs.
func TestAProjectorIsStoppedByABug(t *testing.T) {
	t.Parallel()
	s := newStuckStack(t)
	s.exec(t, `ALTER TABLE receipts.payments ADD CONSTRAINT bug CHECK (generation < 0) NOT VALID`)
	s.publish(50, 2)
	require.Equal(t, exitNo, s.others.exitCode())
	found := s.stuck("receipts", stateStopped, "the store refused valid events at ")
	require.Contains(t, found.Reason, `"tributary project receipts"`)
	require.Contains(t, s.others.said.String(), "the store refused valid events at ")
	s.eventually(redWithin, "the others of its process are stopped", func() bool { return s.of("balances").State == stateStopped })
	s.exec(t, `ALTER TABLE receipts.payments DROP CONSTRAINT bug`)
	s.others, s.othersHealth = s.projectors("balances", "receipts", "receivers", "quarantine", "subjects")
	t.Logf("all ready after %s", s.allReady())
	s.caughtUp()
}
