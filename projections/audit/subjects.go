package audit

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const (
	checkPlaces = "the places of each partition are those of its records"
	placesTable = "subjects.places"
)

// subjects is the reference of the index: a row a record and name.
type subjects struct {
	examination *examination
	seed        maphash.Seed
	topics      []string // By their number, from 1.
	places      *rowset
	buf         []byte
	expected    map[string]*placeRow // Those that are compared one by one.
}

// placeRow is a row of subjects.places, all of which is its key.
type placeRow struct{ met }

func (*placeRow) cells() []string { return nil }

func newSubjects(a *Auditor, e *examination) model {
	e.found.expect(checkProgress, checkPast, checkPlaces)
	return &subjects{
		examination: e, seed: a.seed, topics: eventlog.Topics(), expected: map[string]*placeRow{},
		places: newRowset(e.found.check(checkPlaces), a.seed, table{
			name: placesTable, keys: texts("topic", "partition", "kafka_offset", "name_hash"), where: "generation = $1",
			arguments: []any{e.generation},
		}),
	}
}

func (s *subjects) close() error { return nil }

func (s *subjects) wants(record *eventlog.Record) bool {
	return record.Event != nil || record.Rejected != nil
}

// place is a row of the table: name is the hash of what the record is found by, topic the number of the topic.
type place struct {
	name      uint64
	topic     uint16
	partition int32
	offset    int64
}

// digest is the same for the same place, and decides on its bucket.
func (s *subjects) digest(p place) (bucket int, digest uint64) {
	b := binary.BigEndian.AppendUint64(s.buf[:0], uint64(p.offset)) //nolint:gosec // The bits are what counts.
	b = binary.BigEndian.AppendUint32(b, uint32(p.partition))       //nolint:gosec // The bits are what counts.
	b = binary.BigEndian.AppendUint16(b, p.topic)
	bucket = bucketOf(maphash.Bytes(s.seed, b))
	s.buf = binary.BigEndian.AppendUint64(b, p.name)
	return bucket, maphash.Bytes(s.seed, s.buf)
}

// key is that of the row, in the order of its columns.
func (p place) key() string {
	return keyOf(strconv.Itoa(int(p.topic)), strconv.Itoa(int(p.partition)), strconv.FormatInt(p.offset, 10),
		strconv.FormatInt(int64(p.name), 10)) //nolint:gosec // The bits are what counts.
}

// each are the places of a record.
func (s *subjects) each(record *eventlog.Record, fn func(p place)) {
	topic := uint16(slices.Index(s.topics, record.Topic) + 1) //nolint:gosec // There are few.
	// Where an event speaks of its subject, a refused record may be about several.
	if record.Event != nil {
		fn(place{nameHash(record.Event.Subject), topic, record.Partition, record.Offset})
		return
	}
	for _, name := range record.Rejected.Subjects() {
		fn(place{nameHash(name), topic, record.Partition, record.Offset})
	}
}

// nameHash is FNV-1a, of 64 bits.
func nameHash(name string) uint64 {
	const basis, prime = 14695981039346656037, 1099511628211
	h := uint64(basis)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * prime
	}
	return h
}

func (s *subjects) fold(record *eventlog.Record) error {
	s.each(record, func(p place) { s.places.tally.expect(s.digest(p)) })
	return nil
}

func (s *subjects) again(record *eventlog.Record) {
	s.each(record, func(p place) {
		if bucket, _ := s.digest(p); s.places.held[bucket] {
			s.expected[p.key()] = &placeRow{}
		}
	})
}

func (s *subjects) touches(traces []string, record *eventlog.Record) []string {
	s.each(record, func(p place) { traces = append(traces, traceRow(placesTable, p.key())) })
	return traces
}

func (s *subjects) tally(ctx context.Context, from *snapshot) error {
	c, past := s.places.check, s.examination.found.check(checkPast)
	sql := `SELECT name_hash, topic, "partition", kafka_offset FROM subjects.places WHERE generation = $1`
	return from.streamBinary(ctx, placesTable, sql, s.places.arguments, func(row [][]byte) error {
		c.compared++
		c.findings.rows++
		p := place{
			name: binary.BigEndian.Uint64(row[0]), topic: binary.BigEndian.Uint16(row[1]),
			partition: int32(binary.BigEndian.Uint32(row[2])), //nolint:gosec // As it was.
			offset:    int64(binary.BigEndian.Uint64(row[3])), //nolint:gosec // As it was.
		}
		if n := int(p.topic) - 1; n >= 0 && n < len(s.topics) {
			at := eventlog.TopicPartition{Topic: s.topics[n], Partition: p.partition}
			if p.offset < s.examination.next[at] {
				past.compared++
			} else {
				s.examination.isPast(past, placesTable, at.At(p.offset).String(), at.At(p.offset))
			}
		}
		s.places.tally.meet(s.digest(p))
		return nil
	})
}

func (s *subjects) suspect() bool { return s.places.suspect() }

func (s *subjects) detail(ctx context.Context, from *snapshot) error {
	t := s.places.table
	t.only = func(key []byte) bool { return s.places.held[s.bucketOf(key)] }
	return compareAgain(ctx, from, s.places.check, t, rowsOf(s.expected))
}

// bucketOf is that of a row's key.
func (s *subjects) bucketOf(key []byte) int {
	var p place
	var numbers [3]int64
	cells := strings.Split(string(key), separator)
	for i := range numbers {
		n, err := strconv.ParseInt(cells[i], 10, 64)
		if err != nil {
			return 0 // Postgres writes none that is not a number.
		}
		numbers[i] = n
	}
	p.topic, p.partition, p.offset = uint16(numbers[0]), int32(numbers[1]), numbers[2] //nolint:gosec // As they were.
	bucket, _ := s.digest(p)
	return bucket
}
