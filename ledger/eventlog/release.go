package eventlog

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// The headers of an event that was published again for a record which had been refused. They are not the event's: with them
// or without, it is the same.
const (
	headerReleases   = "tributary-releases"
	headerReleasedBy = "tributary-released-by"
)

// maxReleasedByBytes bounds the name of who did it, far below what a record may have on top of its event.
const maxReleasedByBytes = 256

// Release says that an event was published again in the place of a record that had been refused.
type Release struct {
	// Of is where that record lies.
	Of Position
	// By is who published it, as they called themselves; perhaps empty.
	By string
}

// releaseOf reads the headers; nil where there are none, or where they name no position.
func releaseOf(headers []kgo.RecordHeader) *Release {
	for i := range headers {
		if headers[i].Key != headerReleases {
			continue
		}
		of, err := ParsePosition(stringOf(headers[i].Value))
		if err != nil || shortTopic(of.Topic) == of.Topic { // of no topic of ours
			return nil
		}
		release := &Release{Of: Position{Topic: topicPrefix + shortTopic(of.Topic), Partition: of.Partition, Offset: of.Offset}}
		for j := range headers {
			if headers[j].Key == headerReleasedBy {
				release.By = readableName(string(headers[j].Value))
			}
		}
		return release
	}
	return nil
}

// readableName is a name that every store and terminal can take.
func readableName(name string) string {
	name = strings.ReplaceAll(strings.ToValidUTF8(name, string(utf8.RuneError)), "\x00", "␀")
	for len(name) > maxReleasedByBytes {
		_, size := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-size]
	}
	return name
}

// PublishReleased appends a valid event in the place of a record that was refused, under that record's key where it is not
// nil; else it does what Publish does.
func (w *Writer) PublishReleased(ctx context.Context, event *ledger.Event, key []byte, release Release, done func(Position, error)) {
	record, invalid := Encode(event)
	if invalid != nil {
		done(Position{}, invalid)
		return
	}
	if key != nil && len(key) <= maxKeyBytes {
		record.Key = key
	}
	record.Headers = append(record.Headers,
		kgo.RecordHeader{Key: headerReleases, Value: []byte(release.Of.String())},
		kgo.RecordHeader{Key: headerReleasedBy, Value: []byte(readableName(release.By))})
	w.produce(ctx, event, record, func(r *kgo.Record, err error) {
		if err != nil {
			done(Position{}, err)
			return
		}
		done(position(r), nil)
	})
}

// maxKeyBytes is the longest key that is kept: that of an event is no longer.
const maxKeyBytes = 1 << 10

// DecodeRejected reads a record that was refused once more: it may be a valid event by now, to a newer version.
func DecodeRejected(at Position, rejected *Rejection) Record {
	r := &kgo.Record{Topic: at.Topic, Partition: at.Partition, Offset: at.Offset, Key: rejected.Key, Value: rejected.Payload}
	for _, h := range rejected.Headers {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: h.Key, Value: h.Value})
	}
	return Decode(r)
}

// Raw reads the records at some positions, each byte for byte as a Rejection without a reason, whatever they hold; in the
// positions' order, nil where the log has none. Errors are those of Each.
func (l *Lookup) Raw(ctx context.Context, positions []Position) ([]*Record, error) {
	records := make([]*Record, len(positions))
	err := l.each(ctx, positions, func(r *kgo.Record) Record {
		record := Record{Position: position(r), RecordedAt: recordedAt(r.Timestamp), LeaderEpoch: r.LeaderEpoch, Bytes: recordBytes(r)}
		attributes, _ := readHeaders(r.Headers)
		record.Rejected = reject(r, attributes.ID, &ledger.Invalid{})
		return record
	}, func(i int, record *Record) error {
		records[i] = record
		return nil
	})
	return records, err
}
