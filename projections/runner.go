package projections

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// Runner feeds a store from the log until it is told to stop. Any number of runners of one projection, in any processes,
// share its partitions.
type Runner struct {
	*feeder

	feed *Feed
}

// feeder is what a Runner and a Rebuild have in common: a store to be fed from a log, and the patience for both.
type feeder struct {
	store    Store
	kafka    eventlog.Config
	settings Settings
	log      *slog.Logger
	metrics  *metrics
	health   *Health
}

// Settings tune a runner or a rebuild; the zero value is right for most.
type Settings struct {
	// BatchEvents is the most records in a batch; 0 means 20,000.
	BatchEvents int
	// Feed is what the runners of a process read the log by; nil means that this one has its own. A rebuild has no need of one.
	Feed *Feed
	// PollInterval is how far apart batches are at least, for a store to which small ones are dear: a batch gathers what comes
	// meanwhile. 0 takes each as soon as the one before is on its way.
	PollInterval time.Duration
	// BusyInterval is how far apart they are where much comes in a PollInterval: then fewer and larger batches keep up better, and
	// nobody is fresher for more of them.
	BusyInterval time.Duration
	// SessionTimeout is how long a silent owner keeps its partitions; 0 means 10 s.
	SessionTimeout time.Duration
	// CommitTimeout bounds one try at a commit; 0 means 2 minutes.
	CommitTimeout time.Duration
	// StuckAfter is how long a projector may have lag and commit nothing until it is not ready; 0 means 60 s.
	StuckAfter time.Duration
	// RetryMax is the longest pause between tries; 0 means 15 s.
	RetryMax time.Duration
	// Workers is how many share out the partitions of a rebuild; 0 means one for each core. A runner has one.
	Workers int
	// EventsPerSecond is the most that a rebuild reads of the log; 0 means no bound.
	EventsPerSecond int
	// Progress is told by a rebuild how many offsets below its target are in, of how many, whenever there are more. It is called by one
	// at a time.
	Progress func(done, total int64)
	// Registerer takes the metrics; nil means nobody does.
	Registerer prometheus.Registerer
	// Logger is told what an operator wants to know; nil means nobody is.
	Logger *slog.Logger
}

func (s Settings) withDefaults() Settings {
	const batchEvents = 20_000
	setDefault(&s.BatchEvents, batchEvents)
	setDefault(&s.SessionTimeout, 10*time.Second)
	setDefault(&s.CommitTimeout, 2*time.Minute)
	setDefault(&s.StuckAfter, time.Minute)
	setDefault(&s.RetryMax, 15*time.Second)
	setDefault(&s.Workers, runtime.GOMAXPROCS(0))
	if s.Progress == nil {
		s.Progress = func(int64, int64) {}
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	return s
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// NewRunner makes a runner; Run starts it.
func NewRunner(store Store, kafka eventlog.Config, settings Settings) *Runner {
	r := &Runner{newFeeder(store, kafka, settings), settings.Feed}
	if r.feed == nil {
		r.feed = NewFeed(r.kafka, 0)
	}
	return r
}

func newFeeder(store Store, kafka eventlog.Config, settings Settings) *feeder {
	settings = settings.withDefaults()
	name := store.Definition().Name
	kafka.ClientID = "tributary-" + name
	health := newHealth(settings.StuckAfter)
	return &feeder{
		store: store, kafka: kafka, settings: settings,
		log:     settings.Logger.With("projection", name),
		metrics: newMetrics(settings.Registerer, store.Definition(), health),
		health:  health,
	}
}

// Health tells how the runner is doing.
func (r *Runner) Health() *Health { return r.health }

// Run consumes until the context ends, which is no error, or until a bug stops it: a *RefusedError. All else it retries
// for as long as it takes, and says so in the log, in metrics, and in Health.
func (r *Runner) Run(ctx context.Context) error {
	err := r.sessions(ctx, r.session, func(err error) bool {
		_, refused := errors.AsType[*RefusedError](err)
		return refused
	})
	if ctx.Err() == nil {
		r.health.fail("refused", err)
		r.log.Error("stopping: this is a bug", "err", err)
		return err
	}
	r.log.Info("stopped")
	return nil // Whatever the last session ended with, it was told to.
}

// sessions runs sessions until one ends well or for good, or the context ends; each other end is made visible, and waited after.
func (f *feeder) sessions(ctx context.Context, session func(context.Context) error, forGood func(error) bool) error {
	pause := f.newPause()
	for {
		started := time.Now()
		err := session(ctx)
		if err == nil || ctx.Err() != nil || forGood(err) {
			return err
		}
		if time.Since(started) > time.Minute {
			pause = f.newPause()
		}
		f.noteFailure(err)
		wait(ctx, pause.NextBackOff())
		if ctx.Err() != nil {
			return err
		}
	}
}

// noteFailure makes an ended session visible.
func (f *feeder) noteFailure(err error) {
	_, fenced := errors.AsType[*FencedError](err)
	switch {
	case fenced:
		f.metrics.fenced.Inc()
		f.log.Warn("fenced; joining again", "err", err)
	case eventlog.Classify(err) == eventlog.KindLogLost:
		f.metrics.retries.WithLabelValues("log_lost").Inc()
		f.health.fail("log_lost", err)
		f.log.Error("the log is not the one that the tables were built from; nothing is read until that is mended", "err", err)
	default:
		f.metrics.retries.WithLabelValues("session").Inc()
		f.health.fail("session", err)
		f.log.Warn("the session ended; starting again", "err", err)
	}
}

// newPause grows from a tenth of a second, with jitter.
func (f *feeder) newPause() *backoff.ExponentialBackOff {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval = 100 * time.Millisecond
	pause.MaxInterval = f.settings.RetryMax
	return pause
}

func wait(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// retry does a thing until it succeeds, the context ends, or the error is not of infrastructure.
func (f *feeder) retry(ctx context.Context, kind string, do func(context.Context) error) error {
	pause := f.newPause()
	for {
		err := do(ctx)
		if err == nil {
			f.health.mend(kind)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s was cut short: %w", kind, context.Cause(ctx))
		}
		if final(err) {
			return err
		}
		f.metrics.retries.WithLabelValues(kind).Inc()
		f.health.fail(kind, err)
		delay := pause.NextBackOff()
		f.log.Warn("trying again", "what", kind, "in", delay.Round(time.Millisecond), "err", err)
		wait(ctx, delay)
	}
}

// final tells whether trying the same again cannot help.
func final(err error) bool {
	_, refused := errors.AsType[*RefusedError](err)
	_, fenced := errors.AsType[*FencedError](err)
	_, slow := errors.AsType[*slowError](err)
	_, version := errors.AsType[*VersionError](err)
	return refused || fenced || slow || version || eventlog.Classify(err) == eventlog.KindLogLost
}
