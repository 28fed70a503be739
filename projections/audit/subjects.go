package audit

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const (
	checkPlaces = "the places of each partition are those of its records"
	placesTable = "subjects.places"
)

// subjects is the reference of the index. The rows of a partition, of which there are as many as records, are compared by
// their number and by the sum of a keyed hash of each: one that is missing, strange or twice changes it but once in 2^64.
type subjects struct {
	examination *examination
	seed        maphash.Seed
	want, got   map[eventlog.TopicPartition]*digest
}

// digest is of the rows of a partition.
type digest struct {
	rows int64
	sum  uint64
}

func newSubjects(a *Auditor, e *examination) model {
	e.found.expect(checkProgress, checkPast, checkPlaces)
	return &subjects{e, a.seed, map[eventlog.TopicPartition]*digest{}, map[eventlog.TopicPartition]*digest{}}
}

func (s *subjects) wants(record *eventlog.Record) bool {
	return record.Event != nil || record.Rejected != nil
}

func (s *subjects) add(to map[eventlog.TopicPartition]*digest, p eventlog.TopicPartition, hash uint64, offset int64) {
	d := to[p]
	if d == nil {
		d = &digest{}
		to[eventlog.TopicPartition{Topic: strings.Clone(p.Topic), Partition: p.Partition}] = d
	}
	row := binary.BigEndian.AppendUint64(nil, hash)
	row = binary.BigEndian.AppendUint64(row, uint64(offset)) //nolint:gosec // the bits are what counts
	d.rows++
	d.sum += maphash.Bytes(s.seed, row)
}

func (s *subjects) fold(record *eventlog.Record, _ *slot) {
	for _, name := range aboutWhat(record) {
		h := fnv.New64a()
		_, _ = h.Write([]byte(name)) // it never fails
		s.add(s.want, record.TopicPartition(), h.Sum64(), record.Offset)
	}
}

// aboutWhat are the names that a record is found by: an event's subject, or what a refused record may be about.
func aboutWhat(record *eventlog.Record) []string {
	if record.Event != nil {
		return []string{record.Event.Subject}
	}
	return record.Rejected.Subjects()
}

// touches: the rows of a partition are judged together, so no single event stands behind a difference.
func (s *subjects) touches(traces []string, _ *eventlog.Record) []string { return traces }

func (s *subjects) compare(ctx context.Context, from *snapshot) error {
	found := &s.examination.found
	c, past := found.check(checkPlaces), found.check(checkPast)
	topics := eventlog.Topics()
	err := from.streamBinary(ctx, placesTable, `SELECT name_hash, topic, "partition", kafka_offset FROM subjects.places WHERE generation = $1`,
		[]any{s.examination.generation}, func(row [][]byte) error {
			found.rows++
			number := int(binary.BigEndian.Uint16(row[1]))
			if number < 1 || number > len(topics) {
				c.differs(Difference{Kind: KindExtra, Table: placesTable, Key: "topic " + strconv.Itoa(number)})
				return nil
			}
			p := eventlog.TopicPartition{Topic: topics[number-1], Partition: int32(binary.BigEndian.Uint32(row[2]))} //nolint:gosec // as it was
			offset := int64(binary.BigEndian.Uint64(row[3]))                                                         //nolint:gosec // as it was
			s.examination.isPast(past, placesTable, p.At(offset).String(), p.At(offset))
			s.add(s.got, p, binary.BigEndian.Uint64(row[0]), offset)
			return nil
		})
	if err != nil {
		return err
	}
	for p := range s.got {
		if s.want[p] == nil {
			s.want[p] = &digest{}
		}
	}
	for _, p := range eventlog.SortedPartitions(s.want) {
		want, got := s.want[p], s.got[p]
		if got == nil {
			got = &digest{}
		}
		d := Difference{Table: placesTable, Key: p.String(), Column: "rows"}
		c.same(d, strconv.FormatInt(want.rows, 10), strconv.FormatInt(got.rows, 10))
		if want.rows == got.rows {
			d.Column = "digest"
			c.same(d, strconv.FormatUint(want.sum, 16), strconv.FormatUint(got.sum, 16))
		}
	}
	return nil
}
