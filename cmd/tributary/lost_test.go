package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// documented is what the guide says to type, under a heading.
func documented(t *testing.T, heading string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "lost-stores.md"))
	require.NoError(t, err)
	_, section, ok := strings.Cut(string(page), "\n## "+heading+"\n")
	require.True(t, ok, "the guide has no section %q", heading)
	section, _, _ = strings.Cut(section, "\n## ")
	_, block, ok := strings.Cut(section, "\n```text\n")
	require.True(t, ok, "there is nothing to type under %q", heading)
	block, _, _ = strings.Cut(block, "\n```\n")
	return block
}

// typed runs what is documented under a heading in a shell, where `tributary` is this program.
func (s *ownServers) typed(heading string) {
	s.Helper()
	self, err := os.Executable()
	require.NoError(s, err)
	folder := s.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec env %s=1 %q \"$@\"\n", programVariable, self)
	require.NoError(s, os.WriteFile(filepath.Join(folder, "tributary"), []byte(script), 0o700))
	shell := exec.CommandContext(s.Context(), "sh", "-e", "-c", documented(s.T, heading))
	shell.Env = append(append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH")), s.environ...)
	began := time.Now()
	said, err := shell.CombinedOutput()
	require.NoError(s, err, "%s", said)
	s.Logf("%s: typed in %s", heading, time.Since(began).Round(time.Second/10))
}

// booksSaid is a digest of all that people read, but for which copy of an event that came twice a row names.
func (s *ownServers) booksSaid(pool *pgxpool.Pool) map[string]string {
	s.Helper()
	digests := map[string]string{}
	for _, view := range []string{
		"account_balances", "entries", "payments", "receipts", "refunds", "receivers", "receiver_payments", "orphans", "quarantine",
	} {
		var rows int64
		var digest string
		require.NoError(s, pool.QueryRow(s.Context(), `SELECT count(*), md5(coalesce(string_agg(r, '' ORDER BY r), '')) FROM (
			SELECT (to_jsonb(t) - '{topic,partition,kafka_offset,recorded_at}'::text[])::text AS r FROM books.`+view+` t) q`).Scan(&rows, &digest))
		digests[view] = fmt.Sprint(rows, " ", digest)
	}
	conn, err := clickhouse.Open(s.Context(), s.clickhouse)
	require.NoError(s, err)
	defer conn.Close() //nolint:errcheck // It was only read.
	for view, columns := range map[string]string{
		"events": "* EXCEPT (topic, `partition`, kafka_offset, recorded_at)", "by_hour": "*", "by_month": "*", "posts": "*",
	} {
		var rows, digest uint64
		require.NoError(s, conn.QueryRow(s.Context(), "SELECT count(), groupBitXor(h) + sum(h) FROM (SELECT cityHash64(toString(tuple("+
			columns+"))) AS h FROM revenue."+view+")").Scan(&rows, &digest))
		digests["revenue."+view] = fmt.Sprint(rows, " ", digest)
	}
	return digests
}

// lostStack is a stack with projectors that run all the time, a log, and two backups of each server of earlier moments.
type lostStack struct {
	*ownServers

	health  string
	before  map[string]string
	backups map[string]string
}

// eventsEach is how many events are published before, between and after the backups.
const eventsEach = 300

func newLostStack(t *testing.T) *lostStack {
	t.Helper()
	s := &lostStack{ownServers: newServers(t), backups: map[string]string{}}
	_, s.health = s.projectors()
	for moment := range 3 {
		s.publish(eventsEach, moment+1)
		s.caughtUp()
		if moment == 2 { //nolint:mnd // The last is the present.
			break
		}
		s.withPostgresStopped(func(home string) { s.backups[fmt.Sprint("postgres", moment)] = s.copyOf(home) })
		s.withClickHouseStopped(func(home string) { s.backups[fmt.Sprint("clickhouse", moment)] = s.copyOf(home) })
	}
	s.before = s.booksSaid(s.pool())
	return s
}

func (s *lostStack) restorePostgres(moment int) {
	s.Helper()
	s.withPostgresStopped(func(home string) { s.copyTo(s.backups[fmt.Sprint("postgres", moment)], home) })
}

func (s *lostStack) restoreClickHouse(moment int) {
	s.Helper()
	s.withClickHouseStopped(func(home string) { s.copyTo(s.backups[fmt.Sprint("clickhouse", moment)], home) })
}

// losePostgres leaves an empty server.
func (s *lostStack) losePostgres() {
	s.Helper()
	pool, err := pgxpool.New(s.Context(), strings.Replace(s.url, "/tributary?", "/postgres?", 1))
	require.NoError(s, err)
	defer pool.Close()
	for _, statement := range []string{"DROP DATABASE tributary WITH (FORCE)", "CREATE DATABASE tributary"} {
		_, err := pool.Exec(s.Context(), statement)
		require.NoError(s, err)
	}
}

// loseClickHouse leaves an empty server with the same user.
func (s *lostStack) loseClickHouse() {
	s.Helper()
	s.withClickHouseStopped(func(home string) {
		require.NoError(s, os.RemoveAll(filepath.Join(home, "data")))
	})
}

// noticed waits until status and readiness say that the stores are not of one time.
func (s *lostStack) noticed() {
	s.Helper()
	took := s.eventually(redWithin, "status notices it", func() bool {
		report, code := s.report()
		for _, p := range report.Projections {
			if p.Name == "revenue" && p.State == stateTorn {
				return code == exitNo && strings.Contains(p.Reason, "tributary replay revenue --accept-differences")
			}
		}
		return false
	})
	red := s.eventually(redWithin, "the projector notices it", func() bool {
		ready, why := s.readiness(s.health)
		return !ready && strings.Contains(why, "Postgres and ClickHouse do not agree")
	})
	s.Logf("noticed by status after %s, by readiness %s later: %s", took, red, s.of("revenue").Reason)
}

// isBack waits until all is in, and holds it against what was before.
func (s *lostStack) isBack() {
	s.Helper()
	began := time.Now()
	s.caughtUp()
	s.eventually(redWithin, "all are ready", func() bool {
		report, code := s.report()
		for _, p := range report.Projections {
			if p.State != stateReady {
				return false
			}
		}
		ready, _ := s.readiness(s.health)
		return code == exitDone && ready
	})
	s.Logf("all is in and ready %s after that", time.Since(began).Round(time.Second/10))
	require.Equal(s, s.before, s.booksSaid(s.pool()))
	s.must(s.T, "verify")
}

func TestPostgresIsLost(t *testing.T) {
	t.Parallel()
	s := newLostStack(t)
	s.losePostgres()
	got := s.run(t, "migrate")
	require.Equal(t, exitNo, got.code)
	require.Contains(t, got.stderr, "belongs to another Postgres")
	s.typed("Postgres is lost")
	s.isBack()
}

func TestBothAreLost(t *testing.T) {
	t.Parallel()
	s := newLostStack(t)
	s.losePostgres()
	s.loseClickHouse()
	s.typed("Both are lost")
	s.isBack()
}

func TestClickHouseIsLost(t *testing.T) {
	t.Parallel()
	s := newLostStack(t)
	s.loseClickHouse()
	s.typed("ClickHouse is lost")
	s.isBack()
}

func TestOneIsRestoredToThePast(t *testing.T) {
	t.Parallel()
	for name, restore := range map[string]func(*lostStack){
		"Postgres":          func(s *lostStack) { s.restorePostgres(0) },
		"ClickHouse":        func(s *lostStack) { s.restoreClickHouse(0) },
		"PostgresFurther":   func(s *lostStack) { s.restorePostgres(0); s.restoreClickHouse(1) },
		"ClickHouseFurther": func(s *lostStack) { s.restorePostgres(1); s.restoreClickHouse(0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newLostStack(t)
			restore(s)
			s.noticed()
			s.typed("One of them was restored to the past")
			s.isBack()
		})
	}
}

// Both of one moment need nothing to be typed.
func TestBothAreRestoredToOneMoment(t *testing.T) {
	t.Parallel()
	s := newLostStack(t)
	s.restoreClickHouse(0)
	s.restorePostgres(0)
	s.isBack()
}
