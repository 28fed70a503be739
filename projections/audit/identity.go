package audit

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// contentHash tells contents apart.
type contentHash = [ledger.HashBytes]byte

// slot is what is known of one event: a row of the store's identity table, and what the log says of it.
type slot struct {
	at   eventlog.Position // Of the copy that counts.
	hash contentHash       // Of its content.
	// digest is that of the event's entries in the log less that of its rows: 0 when they are the same.
	digest uint64
	// folded says that the copy was met, met that any was, past that the row names a position that is not in yet, due that it
	// must be in all the same, because a further copy counts as in.
	folded, met, past, due bool
}

// identities are the slots of a projection, by event id.
type identities struct {
	index map[uuid.UUID]int32
	slots []slot
	rows  int64
}

func (i *identities) find(id uuid.UUID) *slot {
	if at, ok := i.index[id]; ok {
		return &i.slots[at]
	}
	return nil
}

func (i *identities) add(id uuid.UUID, s slot) *slot {
	i.index[id] = int32(len(i.slots)) //nolint:gosec // Memory ends before.
	i.slots = append(i.slots, s)
	return &i.slots[len(i.slots)-1]
}

// load reads the store's identities, and which copy of each event the store has put in.
func (e *examination) load(ctx context.Context, s *snapshot) error {
	table := pgx.Identifier{e.name, "identity"}.Sanitize()
	var rows int64
	if err := s.tx.QueryRow(ctx, "SELECT count(*) FROM "+table+" WHERE generation = $1", e.generation).Scan(&rows); err != nil {
		return fmt.Errorf("count the identities of %s: %w", e.name, err)
	}
	e.ids = &identities{index: make(map[uuid.UUID]int32, rows), slots: make([]slot, 0, rows), rows: rows}
	topics := map[string]string{}
	isPast := e.pastCheck()
	return s.streamBinary(ctx, "the identities of "+e.name, `
		SELECT i.event_id, i.content_hash, l.label, i."partition", i.kafka_offset
		FROM `+table+` i LEFT JOIN tributary.labels l ON l.id = i.topic WHERE i.generation = $1`,
		[]any{e.generation}, func(row [][]byte) error {
			topic, ok := topics[string(row[2])]
			if !ok {
				topic = string(row[2])
				topics[topic] = topic
			}
			id, kept := uuid.UUID(row[0]), slot{at: position(topic, row[3], row[4])}
			copy(kept.hash[:], row[1])
			kept.past = isPast(id, kept.at)
			e.ids.add(id, kept)
			return nil
		})
}

// pastCheck tells identities past the offsets from others. Unless ids are claimed before the offsets move, one is a difference.
func (e *examination) pastCheck() func(id uuid.UUID, at eventlog.Position) bool {
	if e.claims {
		return func(_ uuid.UUID, at eventlog.Position) bool { return at.Offset >= e.next[at.TopicPartition()] }
	}
	c := e.found.check(checkPast)
	return func(id uuid.UUID, at eventlog.Position) bool { return e.isPast(c, e.name+".identity", id.String(), at) }
}

// position is one from its columns in Postgres's binary form.
func position(topic string, partition, offset []byte) eventlog.Position {
	return eventlog.Position{
		Topic:     topic,
		Partition: int32(binary.BigEndian.Uint32(partition)), //nolint:gosec // Two's complement is the wire's form.
		Offset:    int64(binary.BigEndian.Uint64(offset)),    //nolint:gosec // Two's complement is the wire's form.
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

// compareIdentities holds the identity rows against the ids that were read, once all are.
func (e *examination) compareIdentities() {
	c := e.found.check(checkIdentities)
	c.compared += int64(len(e.ids.slots))
	for id, at := range e.ids.index {
		s := &e.ids.slots[at]
		if !s.met && !s.past {
			c.differs(Difference{Kind: KindExtra, Table: e.name + ".identity", Key: id.String(), Got: s.at.String()})
		}
	}
	e.found.rows += e.ids.rows
}
