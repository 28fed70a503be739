package eventlog

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// stallAfter is for how long nothing may be acknowledged, while something waits to be, until that is told.
const stallAfter = 10 * time.Second

// stallWatch tells what a writer waits for that waits in vain, for the client tries again in silence.
type stallWatch struct {
	log      *slog.Logger
	client   *kgo.Client
	admin    *Admin
	outcomes atomic.Int64   // of records so far
	done     sync.WaitGroup // ends with the client
}

// newWatchedClient is a writer's client, watched where somebody listens.
func newWatchedClient(config Config, opts ...kgo.Opt) (*kgo.Client, *stallWatch, error) {
	w := &stallWatch{log: config.Logger}
	client, err := NewClient(config, append(opts, kgo.WithHooks(w))...)
	if err != nil {
		return nil, nil, err
	}
	w.client, w.admin = client, AdminOf(config, client)
	if w.log != nil {
		w.done.Go(w.watch)
	}
	return client, w, nil
}

// close ends the client too.
func (w *stallWatch) close() {
	w.client.Close()
	w.done.Wait()
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered: a record was acknowledged or given up.
func (w *stallWatch) OnProduceRecordUnbuffered(*kgo.Record, error) { w.outcomes.Add(1) }

func (w *stallWatch) watch() {
	ctx := w.client.Context()
	ticker := time.NewTicker(stallAfter)
	defer ticker.Stop()
	before := w.outcomes.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			before = w.look(ctx, before)
		}
	}
}

// look tells where nothing came of what waits since it last looked. It returns how many outcomes there were so far.
func (w *stallWatch) look(ctx context.Context, before int64) int64 {
	now, waiting := w.outcomes.Load(), w.client.BufferedProduceRecords()
	if waiting > 0 && now == before {
		w.log.WarnContext(ctx, "publishing waits, and goes on by itself", "events", waiting, "for", w.obstacle(ctx))
	}
	return now
}

// obstacle is what keeps the log from taking events, as far as the brokers tell.
func (w *stallWatch) obstacle(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, stallAfter/2) //nolint:mnd // before it is asked again
	defer cancel()
	problems, err := w.admin.Check(ctx)
	if err != nil {
		return err.Error()
	}
	var found []string
	for _, problem := range problems {
		if problem.Setting == inSyncReplicas || problem.Setting == wholeTopic {
			found = append(found, problem.String())
		}
	}
	if len(found) == 0 {
		return "the brokers to acknowledge; they say nothing of why not"
	}
	return strings.Join(found, "; ")
}
