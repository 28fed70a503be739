package audit

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/maphash"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/audit/spill"
)

// contentHash tells contents apart.
type contentHash = [ledger.HashBytes]byte

// identity is a row of the store's identity table: which copy of an event counts.
type identity struct {
	id   uuid.UUID
	hash contentHash
	at   eventlog.Position
}

// identities is what is known of the identity rows of a projection, without them.
type identities struct {
	// counts are the positions of the copies that count.
	counts positions
	// due are positions that are not in yet, but must be all the same, because a further copy counts as in.
	due positions
	// tally holds the rows against the copies that were read.
	tally tally
	rows  int64
	// twice are the hashes of ids that have more than one row.
	twice map[uint64]bool
	// others are copies that do not count, as far as is known yet; missing ids are those that have no row.
	others   []other
	missing  map[uuid.UUID]identity
	digester digester
}

func newIdentities(seed maphash.Seed) *identities {
	return &identities{
		counts: positions{}, due: positions{}, tally: newTally(), twice: map[uint64]bool{}, missing: map[uuid.UUID]identity{},
		digester: digester{seed: seed},
	}
}

// id is the hash of an event's id, which decides on the bucket of all that is its.
func (d *digester) id(id uuid.UUID) uint64 { return maphash.Bytes(d.seed, id[:]) }

func (d *digester) identity(row *identity) uint64 {
	d.buf = append(append(d.buf[:0], row.id[:]...), row.hash[:]...)
	d.buf = binary.BigEndian.AppendUint64(d.buf, uint64(row.at.Offset))    //nolint:gosec // The bits are what counts.
	d.buf = binary.BigEndian.AppendUint32(d.buf, uint32(row.at.Partition)) //nolint:gosec // The bits are what counts.
	d.buf = append(d.buf, row.at.Topic...)
	return d.sum()
}

func (e *examination) identityTable() string { return e.name + ".identity" }

const identitySQL = `SELECT i.event_id, i.content_hash, i.topic, i."partition", i.kafka_offset FROM %s i WHERE i.generation = $1`

// eachIdentity reads the store's identities, those of some ids where condition says so, each with the next offset of its partition.
// They are valid until fn returns.
func (e *examination) eachIdentity(
	ctx context.Context, s *snapshot, condition string, ids []uuid.UUID, fn func(row *identity, next int64) error,
) error {
	labels, err := s.labels(ctx)
	if err != nil {
		return err
	}
	sql, arguments := fmt.Sprintf(identitySQL, pgx.Identifier{e.name, "identity"}.Sanitize()), []any{e.generation}
	if condition != "" {
		sql, arguments = sql+condition, append(arguments, ids)
	}
	places := e.places()
	var i identity
	return s.streamBinary(ctx, "the identities of "+e.name, sql, arguments, func(row [][]byte) error {
		var next int64
		i.id = uuid.UUID(row[0])
		i.at, next = places.find(labels[string(row[2])], row[3], row[4])
		clear(i.hash[:])
		copy(i.hash[:], row[1])
		return fn(&i, next)
	})
}

// places finds where rows are from, and the next offset of that partition. Of many rows, one is mostly from where the one before is.
type places struct {
	nexts map[eventlog.TopicPartition]int64
	last  eventlog.TopicPartition
	next  int64
}

func (e *examination) places() *places {
	return &places{nexts: e.next, next: e.next[eventlog.TopicPartition{}]}
}

// find takes columns of a row, the numbers in Postgres's binary form.
func (p *places) find(topic, partition, offset []byte) (at eventlog.Position, next int64) {
	number := int32(binary.BigEndian.Uint32(partition)) //nolint:gosec // Two's complement is the wire's form.
	if p.last.Partition != number || p.last.Topic != string(topic) {
		p.last = eventlog.TopicPartition{Topic: string(topic), Partition: number}
		p.next = p.nexts[p.last]
	}
	return p.last.At(int64(binary.BigEndian.Uint64(offset))), p.next //nolint:gosec // Two's complement is the wire's form.
}

// load reads which copy of each event the store has put in.
func (e *examination) load(ctx context.Context, s *snapshot, memory Memory, progress func(rows int64)) (err error) {
	ids := spill.New(memory.Dir, memory.Bytes)
	defer func() {
		if closed := ids.Close(); err == nil {
			err = closed
		}
	}()
	isPast := e.pastCheck()
	var at eventlog.TopicPartition
	var counted pages
	err = e.eachIdentity(ctx, s, "", nil, func(row *identity, next int64) error {
		e.ids.rows++
		progress(e.ids.rows)
		hash := e.ids.digester.id(row.id)
		if !isPast(row.id, row.at, next) {
			if p := row.at.TopicPartition(); counted == nil || p != at {
				at, counted = p, e.ids.counts.of(p)
			}
			counted.add(row.at.Offset)
			e.ids.tally.meet(bucketOf(hash), e.ids.digester.identity(row))
		}
		return ids.Add(hash, nil)
	})
	if err != nil {
		return err
	}
	// The index that keeps ids apart is not believed: that they are is found by sorting them.
	last, first := uint64(0), true
	return ids.Each(func(hash uint64, _ []byte) error {
		if hash == last && !first && len(e.ids.twice) < MaxDifferences {
			e.ids.twice[hash] = true
		}
		last, first = hash, false
		return context.Cause(ctx)
	})
}

// pastCheck tells identities past the offsets from others. Unless ids are claimed before the offsets move, one is a difference.
func (e *examination) pastCheck() func(id uuid.UUID, at eventlog.Position, next int64) bool {
	if e.claims {
		return func(_ uuid.UUID, at eventlog.Position, next int64) bool { return at.Offset >= next }
	}
	c := e.found.check(checkPast)
	return func(id uuid.UUID, at eventlog.Position, next int64) bool {
		if at.Offset < next {
			c.compared++
			return false
		}
		return e.isPast(c, e.identityTable(), id.String(), at)
	}
}

// isPast notes a row from a position that is not in yet, by the store's own account.
func (e *examination) isPast(c *check, table, key string, at eventlog.Position) bool {
	c.compared++
	if at.Offset < e.next[at.TopicPartition()] {
		return false
	}
	c.differs(Difference{
		Kind: KindPast, Table: table, Key: key, Column: "kafka_offset",
		Want: fmt.Sprintf("below %d", e.next[at.TopicPartition()]), Got: at.String(),
	})
	return true
}

// differsIn is a difference of an identity row.
func (e *examination) differsIn(kind string, row *identity) Difference {
	return Difference{Kind: kind, Table: e.identityTable(), Key: row.id.String(), trace: traceID(row.id)}
}

// compareHash holds the content of an identity row against that of the event.
func (e *examination) compareHash(row *identity, want contentHash) {
	d := e.differsIn(KindDifferent, row)
	d.Column = "content_hash"
	e.found.check(checkIdentities).same(d, hex.EncodeToString(want[:]), hex.EncodeToString(row.hash[:]))
}
