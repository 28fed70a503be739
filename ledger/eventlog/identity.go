package eventlog

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TopicID is what Kafka gives a topic when it is created; a topic of the same name created again has another.
type TopicID [16]byte

// String is the id as Kafka's own tools print it.
func (id TopicID) String() string {
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// IsZero tells whether the id is not known.
func (id TopicID) IsZero() bool { return id == TopicID{} }

// LogIdentity says which log a position belongs to. A reader keeps it beside its position.
type LogIdentity struct {
	// TopicID is the topic's; zero when not known.
	TopicID TopicID
	// LeaderEpoch is that of the last record read; -1 when not known. It never goes down while the log is whole.
	LeaderEpoch int32
}

// The log is not the one that a position was kept for. Neither mends itself: an operator must decide.
var (
	// ErrRecreated means that the topic was deleted and created again: its offsets mean other records now.
	ErrRecreated = errors.New("the topic was deleted and created again")
	// ErrTruncated means that records which were there, or which should be read next, are gone.
	ErrTruncated = errors.New("the log was truncated")
)

// LogLostError says which part of the log is gone, what was seen, and what to do. It is ErrRecreated or ErrTruncated.
type LogLostError struct {
	TopicPartition

	// Seen is what was expected and what was found.
	Seen string
	// Cause is ErrRecreated or ErrTruncated.
	Cause error
}

// Error is a sentence for operators.
func (e *LogLostError) Error() string {
	return fmt.Sprintf("%s: the log that this position belongs to is gone: %v (%s); "+
		"restore the topic from a backup, or rebuild from what is left with `tributary replay`", e.TopicPartition, e.Cause, e.Seen)
}

// Unwrap gives ErrRecreated or ErrTruncated.
func (e *LogLostError) Unwrap() error { return e.Cause }

// CheckIdentity compares the identity that was kept with the one that is seen now: ErrRecreated when the topic's id is
// another, ErrTruncated when the leader's epoch went back, nil when it may be the same log. Unknown parts are passed over.
func CheckIdentity(p TopicPartition, kept, seen LogIdentity) error {
	if !kept.TopicID.IsZero() && !seen.TopicID.IsZero() && kept.TopicID != seen.TopicID {
		return &LogLostError{
			TopicPartition: p, Cause: ErrRecreated,
			Seen: fmt.Sprintf("topic id %s was expected, %s was found", kept.TopicID, seen.TopicID),
		}
	}
	if kept.LeaderEpoch >= 0 && seen.LeaderEpoch >= 0 && seen.LeaderEpoch < kept.LeaderEpoch {
		return &LogLostError{
			TopicPartition: p, Cause: ErrTruncated,
			Seen: fmt.Sprintf("leader epoch %d was seen before, it is %d now", kept.LeaderEpoch, seen.LeaderEpoch),
		}
	}
	return nil
}

// CheckRange compares the offset to be read next with the log's start and end (the end counts uncommitted records too):
// ErrTruncated when records before it that are still needed are gone, or when it lies past the end.
func CheckRange(p TopicPartition, next, start, end int64) error {
	switch {
	case next < start:
		return &LogLostError{
			TopicPartition: p, Cause: ErrTruncated,
			Seen: fmt.Sprintf("offset %d is next, the log starts at %d", next, start),
		}
	case next > end:
		return &LogLostError{
			TopicPartition: p, Cause: ErrTruncated,
			Seen: fmt.Sprintf("offset %d is next, the log ends at %d", next, end),
		}
	default:
		return nil
	}
}

// ErrorKind says what a reader should do about an error.
type ErrorKind int

const (
	// KindNone is no error.
	KindNone ErrorKind = iota
	// KindStopped means that the caller's own context or client was closed.
	KindStopped
	// KindRetriable is infrastructure: retry, visibly, for as long as it takes.
	KindRetriable
	// KindLogLost means that the log was recreated or truncated: not ready until an operator has acted.
	KindLogLost
	// KindFatal means that going on makes no sense: another took our place, or the brokers cannot serve us.
	KindFatal
)

// String is the kind as a metric's label.
func (k ErrorKind) String() string {
	switch k {
	case KindNone:
		return "none"
	case KindStopped:
		return "stopped"
	case KindRetriable:
		return "retriable"
	case KindLogLost:
		return "log_lost"
	case KindFatal:
		return "fatal"
	}
	return "unknown"
}

// Classify sorts an error of this package, or one that a fetch of kgo returned, by what a reader should do about it. What
// it does not know is retriable: an infrastructure error must never be taken for more than it is.
func Classify(err error) ErrorKind {
	if err == nil {
		return KindNone
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed) {
		return KindStopped
	}
	if isLogLost(err) {
		return KindLogLost
	}
	for _, fatal := range []error{
		ErrFenced, kerr.ProducerFenced, kerr.InvalidProducerEpoch, kerr.FencedInstanceID, kerr.UnsupportedVersion,
		kgo.ErrMaxDecompress,
	} {
		if errors.Is(err, fatal) {
			return KindFatal
		}
	}
	return KindRetriable
}

func isLogLost(err error) bool {
	var loss *kgo.ErrDataLoss
	return errors.Is(err, ErrRecreated) || errors.Is(err, ErrTruncated) || errors.As(err, &loss) ||
		errors.Is(err, kerr.OffsetOutOfRange) || errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID)
}

// ExplainFetch turns an error that kgo returned for a partition into one that says what happened and what to do, with the
// cause still to be found by errors.Is and errors.As. Other errors are wrapped with the partition.
func ExplainFetch(p TopicPartition, err error) error {
	if err == nil {
		return nil
	}
	var loss *kgo.ErrDataLoss
	switch {
	case errors.Is(err, ErrRecreated), errors.Is(err, ErrTruncated):
		return err
	case errors.Is(err, kerr.UnknownTopicID), errors.Is(err, kerr.InconsistentTopicID):
		return &LogLostError{TopicPartition: p, Cause: joined{ErrRecreated, err}, Seen: "the broker no longer knows the topic's id"}
	case errors.As(err, &loss):
		return &LogLostError{
			TopicPartition: p, Cause: joined{ErrTruncated, err},
			Seen: fmt.Sprintf("offset %d was reached, the log diverges at %d", loss.ConsumedTo, loss.ResetTo),
		}
	case errors.Is(err, kerr.OffsetOutOfRange):
		return &LogLostError{TopicPartition: p, Cause: joined{ErrTruncated, err}, Seen: "the offset is not in the log"}
	case errors.Is(err, kerr.OffsetNotAvailable):
		return fmt.Errorf("read %s: its new leader waits for its replicas: are enough brokers up for min.insync.replicas? %w", p, err)
	case errors.Is(err, kerr.UnknownTopicOrPartition):
		return fmt.Errorf("%s is not there; `tributary migrate` creates the topics: %w", p, err)
	default:
		return fmt.Errorf("read %s: %w", p, err)
	}
}

// joined is a cause with the client's own error behind it, on one line.
type joined struct{ cause, behind error }

func (j joined) Error() string   { return j.cause.Error() + ": " + j.behind.Error() }
func (j joined) Unwrap() []error { return []error{j.cause, j.behind} }
