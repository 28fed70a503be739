package clickhouse_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

const patience = time.Minute

// An owner that was stopped after it had sent its insert, or whose network held it, comes too late: with its client
// waiting, and with its client long gone.
func TestAnInsertThatArrivesAfterTheFenceIsRefused(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{true, false} {
		t.Run(fmt.Sprintf("client waits %v", waits), func(t *testing.T) {
			t.Parallel()
			url := stacktest.ClickHouse(t)
			h := newHarness(t, url)
			between := newProxy(t, url)
			arrived, release, refused := make(chan struct{}), make(chan struct{}), make(chan int, 1)
			between.onInsert(func(_ http.ResponseWriter, request *forwarded) {
				close(arrived)
				<-release
				response, err := request.send()
				if assert.NoError(t, err) {
					refused <- response.StatusCode
					_ = response.Body.Close()
				}
				panic(http.ErrAbortHandler)
			})
			l := newLog(100)
			a := own(t, h.through(t, between), l)
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			change := a.prepare(t, 100)
			go func() { _, err := change.Commit(ctx); done <- err }()
			<-arrived
			if !waits {
				cancel()
				require.Error(t, <-done)
			}
			b := own(t, h.Open(t, 0, nil), l)
			b.finish(t)
			close(release)
			require.NotEqual(t, http.StatusOK, <-refused)
			if waits {
				require.Error(t, <-done)
			}
			_, err := change.Commit(t.Context())
			var fenced *projections.FencedError
			require.ErrorAs(t, err, &fenced)
			l.requireOnce(t, h)
			cancel()
		})
	}
}

// An insert that has passed the fence and is being written when another takes over is ended before that looks what is in.
func TestAnInsertUnderWayIsEndedByATakeover(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t), "CONSTRAINT slow CHECK sleepEachRow(0.02) = 0")
	l := newLog(50) // A second.
	change := own(t, h.Open(t, 0, nil), l).prepare(t, 50)
	done := make(chan error, 1)
	go func() { _, err := change.Commit(t.Context()); done <- err }()
	require.Eventually(t, func() bool {
		var n uint64
		err := h.conn.QueryRow(t.Context(), "SELECT count() FROM system.processes WHERE Settings['log_comment'] LIKE '%payments%'").Scan(&n)
		return err == nil && n > 0
	}, patience, time.Millisecond)
	own(t, h.Open(t, 0, nil), l).finish(t)
	require.Error(t, <-done)
	_, err := change.Commit(t.Context())
	var fenced *projections.FencedError
	require.ErrorAs(t, err, &fenced)
	l.requireOnce(t, h)
}

func TestALostAnswerOfAnInsertIsFoundOut(t *testing.T) {
	t.Parallel()
	url := stacktest.ClickHouse(t)
	h := newHarness(t, url)
	between := newProxy(t, url)
	between.onInsert(func(_ http.ResponseWriter, request *forwarded) {
		response, err := request.send()
		if assert.NoError(t, err) {
			assert.Equal(t, http.StatusOK, response.StatusCode)
			_ = response.Body.Close()
		}
		panic(http.ErrAbortHandler)
	})
	l := newLog(300)
	a := own(t, h.through(t, between), l)
	change := a.prepare(t, 200)
	_, err := change.Commit(t.Context())
	require.Error(t, err)
	between.onInsert(nil)
	_, err = change.Commit(t.Context())
	require.NoError(t, err)
	a.passed(200)
	a.finish(t)
	l.requireOnce(t, h)
}

// A server that dies while it says which constraint refuses the rows has said no more than that one does.
func TestARefusalThatDoesNotNameItsConstraintIsNotABug(t *testing.T) {
	t.Parallel()
	url := stacktest.ClickHouse(t)
	h := newHarness(t, url)
	between := newProxy(t, url)
	between.onInsert(func(w http.ResponseWriter, _ *forwarded) {
		w.Header().Set("X-Clickhouse-Exception-Code", "469")
		w.Header().Set("Content-Length", "500")
		w.WriteHeader(http.StatusInternalServerError)
		_, err := w.Write([]byte("Code: 469. DB::Exception: Constr"))
		if err = errors.Join(err, http.NewResponseController(w).Flush()); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	l := newLog(100)
	a := own(t, h.through(t, between), l)
	change := a.prepare(t, 100)
	_, err := change.Commit(t.Context())
	require.ErrorContains(t, err, "469")
	var refused *projections.RefusedError
	require.NotErrorAs(t, err, &refused)
	between.onInsert(nil)
	a.persist(t, change)
	l.requireOnce(t, h)
}

func TestAnInsertCutInTheMiddleIsNotIn(t *testing.T) {
	t.Parallel()
	url := stacktest.ClickHouse(t)
	h := newHarness(t, url)
	between := newProxy(t, url)
	l := newLog(400)
	a := own(t, h.through(t, between), l)
	for part := range 8 {
		between.onInsert(func(_ http.ResponseWriter, request *forwarded) {
			if err := request.sendPart(len(request.body) * part / 8); err != nil {
				t.Error(err)
			}
			panic(http.ErrAbortHandler)
		})
		change := a.prepare(t, 50)
		_, err := change.Commit(t.Context())
		require.Error(t, err)
		require.Len(t, h.Rows(t), part*50, "cut after %d/8", part)
		between.onInsert(nil)
		_, err = change.Commit(t.Context())
		require.NoError(t, err)
		a.passed(50)
	}
	l.requireOnce(t, h)
}

// The server dies while a commit is between two steps, and comes back.
func TestTheServerDiesBetweenSteps(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"claim", "insert", "offsets", "answer"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			server := stacktest.ClickHouseServer(t)
			h := newHarness(t, server.URL())
			var once sync.Once
			l := newLog(300)
			a := own(t, h.Open(t, 0, func(ctx context.Context, next string) (err error) {
				if next == step {
					once.Do(func() { err = errors.Join(server.Kill(), server.Restart(ctx)) })
				}
				return err
			}), l)
			for range 3 {
				a.persist(t, a.prepare(t, 100))
				a.passed(100)
			}
			l.requireOnce(t, h)
		})
	}
}

// The fence is in memory; without it everybody is refused once.
// A lost fence refuses the rows, and the same commit makes it again and has them in.
func TestALostFenceIsMadeAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	l := newLog(300)
	a := own(t, h.Open(t, 0, nil), l)
	for range 3 {
		require.NoError(t, h.conn.Exec(t.Context(), "TRUNCATE TABLE "+h.name+".fence"))
		change := a.prepare(t, 100)
		_, err := change.Commit(t.Context())
		require.NoError(t, err)
		a.passed(100)
		var keys uint64
		require.NoError(t, h.conn.QueryRow(t.Context(), "SELECT count() FROM "+h.name+".fence").Scan(&keys))
		require.NotZero(t, keys)
	}
	require.NoError(t, h.conn.Exec(t.Context(), "DROP TABLE "+h.name+".fence SYNC SETTINGS check_table_dependencies = 0"))
	l.fill(100)
	own(t, h.Open(t, 0, nil), l).finish(t)
	l.requireOnce(t, h)
}

func TestALargeFenceIsEmptied(t *testing.T) {
	t.Parallel()
	h := newHarness(t, stacktest.ClickHouse(t))
	l := newLog(10)
	keys := func() (n uint64) {
		require.NoError(t, h.conn.QueryRow(t.Context(), "SELECT count() FROM "+h.name+".fence").Scan(&n))
		return n
	}
	a := own(t, h.Open(t, 0, nil), l)
	require.NoError(t, clickhouse.CompactFence(t.Context(), h.conn, h.name, 1<<20))
	require.Equal(t, uint64(1), keys())
	require.NoError(t, clickhouse.CompactFence(t.Context(), h.conn, h.name, 1<<10))
	require.Zero(t, keys())
	a.persist(t, a.prepare(t, 10))
	l.requireOnce(t, h)
}

// Rows that were lost, or are in twice, are noticed by a running owner, when it has to look, and by the next.
func TestLostAndDoubledRowsAreNoticed(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]string{
		"lost":    "TRUNCATE TABLE %[1]s",
		"some":    "ALTER TABLE %[1]s DELETE WHERE kafka_offset = 7 SETTINGS mutations_sync = 1",
		"doubled": "INSERT INTO %[1]s SELECT * FROM %[1]s WHERE kafka_offset = 7",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHarness(t, stacktest.ClickHouse(t))
			l := newLog(100)
			a := own(t, h.Open(t, 0, nil), l)
			a.finish(t)
			require.NoError(t, h.conn.Exec(t.Context(), fmt.Sprintf(harm, h.name+".rows_g1")))
			_, err := h.Open(t, 0, nil).Acquire(t.Context(), l.claims())
			require.ErrorContains(t, err, "tributary replay")
			var refused *projections.RefusedError
			require.NotErrorAs(t, err, &refused, "it is retried for as long as it takes, not given up")
		})
	}
}

// An insert that the server takes as many blocks, whatever we ask for, and that dies in their midst, leaves the first of
// them: the rest is added, and nothing twice.
func TestAnInsertThatIsNotOneBlockIsResumed(t *testing.T) {
	t.Parallel()
	server := stacktest.ClickHouseServer(t)
	h := newHarness(t, server.URL(), "CONSTRAINT slow CHECK sleepEachRow(0.01) = 0")
	between := newProxy(t, server.URL())
	between.onInsert(func(w http.ResponseWriter, request *forwarded) {
		for _, setting := range []string{"max_insert_block_size", "min_insert_block_size_rows", "min_insert_block_size_bytes"} {
			request.query.Set(setting, "7")
		}
		request.query.Set("use_strict_insert_block_limits", "1")
		request.answer(w)
	})
	l := newLog(200) // Two seconds.
	change := own(t, h.through(t, between), l).prepare(t, 200)
	done := make(chan error, 1)
	go func() { _, err := change.Commit(t.Context()); done <- err }()
	require.Eventually(t, func() bool { return len(h.Rows(t)) > 20 }, patience, 20*time.Millisecond)
	require.NoError(t, server.Kill())
	require.Error(t, <-done)
	require.NoError(t, server.Restart(t.Context()))
	in := len(h.Rows(t))
	require.Greater(t, in, 20)
	require.Less(t, in, 200)
	for p := range h.Rows(t) {
		require.Contains(t, l.ids()[:in], p, "what is in is the beginning")
	}
	between.onInsert(nil)
	own(t, h.Open(t, 0, nil), l).finish(t)
	l.requireOnce(t, h)
}

// Many owners take the same partitions from each other as fast as they can.
func TestRivalsForOnePartition(t *testing.T) {
	t.Parallel()
	url := stacktest.ClickHouse(t)
	h := newHarness(t, url)
	l := newLog(3_000)
	var rivals sync.WaitGroup
	for range 4 {
		store := clickhouse.NewStore(h.pool, connect(t, url), h.tally, clickhouse.Options{Interval: time.Microsecond})
		rivals.Go(func() {
			for range 12 {
				owned, err := store.Acquire(t.Context(), l.claims())
				if err != nil {
					continue // Another was faster.
				}
				o := &owner{store, l, owned[l.partition]}
				for range 3 {
					if o.try(t.Context(), 50) != nil {
						break
					}
				}
			}
		})
	}
	rivals.Wait()
	own(t, h.Open(t, 0, nil), l).finish(t)
	l.requireOnce(t, h)
}
