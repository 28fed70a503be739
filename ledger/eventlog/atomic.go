package eventlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

const (
	// transactionTimeout is after how long the broker aborts a transaction whose writer is gone. Readers of the partitions
	// it touched wait for as long.
	transactionTimeout = 20 * time.Second
	// abortTimeout bounds the undoing of a transaction, which must go on when the caller's context has ended.
	abortTimeout = 10 * time.Second
)

// ErrFenced means that another process uses the same transactional id: this writer must stop.
var ErrFenced = errors.New("another writer with the same transactional id has taken over; restart this process")

// ErrAborted means that none of the events is in the log.
var ErrAborted = errors.New("none of the events was published")

// AtomicWriter appends batches of events, each in one Kafka transaction: readers see all of a batch or nothing. Batches go
// one after another. Its methods may be called at once from many goroutines.
type AtomicWriter struct {
	config Config
	id     string

	mu     sync.Mutex // one transaction at a time
	fenced error      // set when another writer has taken over

	life   sync.Mutex  // guards what follows against Close, which must not wait for a transaction
	client *kgo.Client // changed by renew alone
	stalls *stallWatch // of the client
	closed bool
}

// NewAtomicWriter is an atomic writer under a transactional id, which must be unique among the processes that run: a second
// one takes over from the first. It dials nothing yet. Close it when done.
func NewAtomicWriter(config Config, transactionalID string) (*AtomicWriter, error) {
	if transactionalID == "" {
		return nil, errors.New("an atomic writer needs a transactional id, one for each process")
	}
	w := &AtomicWriter{config: config.named("atomic"), id: transactionalID}
	if err := w.open(); err != nil {
		return nil, err
	}
	return w, nil
}

// open makes a client. Its first transaction ends whatever one before it left open.
func (w *AtomicWriter) open() error {
	opts := append(writerOptions(), kgo.MaxBufferedBytes(writerBufferBytes),
		kgo.TransactionalID(w.id), kgo.TransactionTimeout(transactionTimeout))
	client, stalls, err := newWatchedClient(w.config, opts...)
	if err == nil {
		w.client, w.stalls = client, stalls
	}
	return err
}

// PublishAtomic appends valid events, all or none; positions are in the events' order. Errors: ErrAborted when none is in
// the log, ErrFenced when another writer has taken over (and none is in the log), ErrUncertain when the answer to the
// commit was lost. Only after ErrFenced can the writer not go on.
func (w *AtomicWriter) PublishAtomic(ctx context.Context, events []*ledger.Event) ([]Position, error) {
	records, err := encodeAll(events)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fenced != nil {
		return nil, w.fenced
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAborted, err)
	}
	begun := time.Now()
	if err := w.client.BeginTransaction(); err != nil {
		return nil, w.failed(begun, fmt.Errorf("begin a transaction: %w", err))
	}
	positions, err := w.produce(ctx, events, records)
	if err != nil {
		return nil, w.abort(ctx, begun, err)
	}
	if err := w.commit(ctx, begun); err != nil {
		return nil, err
	}
	return positions, nil
}

func (w *AtomicWriter) produce(ctx context.Context, events []*ledger.Event, records []*kgo.Record) ([]Position, error) {
	all := newGathering(len(records))
	for i, record := range records {
		w.client.Produce(ctx, record, func(r *kgo.Record, err error) {
			if err != nil {
				err = explainProduce(w.config, events[i], r.Topic, err)
			}
			all.done(i, position(r), err)
		})
	}
	return all.wait(ctx)
}

// commit ends the transaction. Once the request may be on its way, giving up leaves it open what became of it.
func (w *AtomicWriter) commit(ctx context.Context, begun time.Time) error {
	err := w.client.EndTransaction(ctx, kgo.TryCommit)
	switch {
	case err == nil:
		return nil
	case isFenced(err):
		return w.failed(begun, err)
	case errors.Is(err, kerr.OperationNotAttempted), errors.Is(err, kerr.TransactionAbortable):
		return w.abort(ctx, begun, err)
	}
	return errors.Join(fmt.Errorf("commit the transaction: %w: %w", ErrUncertain, err), w.renew())
}

// abort undoes the transaction, also when the caller has gone: until then readers of its partitions wait.
func (w *AtomicWriter) abort(ctx context.Context, begun time.Time, cause error) error {
	gone := ctx.Err()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	err := w.client.AbortBufferedRecords(ctx)
	if err == nil {
		err = w.client.EndTransaction(ctx, kgo.TryAbort)
	}
	switch {
	case isFenced(cause):
		return w.failed(begun, cause)
	case err != nil: // the next transaction aborts it, or the broker when its time is over
		return errors.Join(fmt.Errorf("%w: %w; abort the transaction: %w", ErrAborted, cause, err), w.renew())
	case gone != nil: // whether they were in the log was not known, and is now
		return fmt.Errorf("%w: they were not acknowledged in time: %w", ErrAborted, gone)
	}
	return fmt.Errorf("%w: %w", ErrAborted, cause)
}

// failed tells of a transaction that came to nothing. A fence is the last word, unless it was the broker's own: it fences the writer
// of a transaction that took too long, as one does while brokers are away.
func (w *AtomicWriter) failed(begun time.Time, err error) error {
	switch {
	case !isFenced(err):
		err = errors.Join(err, w.renew())
	case time.Since(begun) > transactionTimeout:
		err = errors.Join(fmt.Errorf("the brokers gave up a transaction that took more than %v", transactionTimeout), w.renew())
	default:
		if !errors.Is(err, ErrFenced) {
			err = fmt.Errorf("%w: %w", ErrFenced, err)
		}
		w.fenced = fmt.Errorf("%w: %w", ErrAborted, err)
	}
	return fmt.Errorf("%w: %w", ErrAborted, err)
}

// renew makes the next transaction begin with a client that knows nothing of this one.
func (w *AtomicWriter) renew() error {
	w.life.Lock()
	defer w.life.Unlock()
	w.stalls.close()
	if w.closed {
		return nil
	}
	return w.open()
}

func isFenced(err error) bool {
	return errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) ||
		errors.Is(err, kerr.TransactionCoordinatorFenced)
}

// Close ends the connections; a transaction that is under way is aborted by the broker when its time is over.
func (w *AtomicWriter) Close() {
	w.life.Lock()
	defer w.life.Unlock()
	w.closed = true
	w.stalls.close()
}
