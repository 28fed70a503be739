package postgres

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
)

// identified is an event of the batch: its identity, what it says, and where it is in change.records.
type identified struct {
	id    uuid.UUID
	hash  [16]byte
	index int
}

// copied is a further copy of an event within the batch.
type copied struct {
	record eventlog.Record
	hash   [16]byte
}

// held is the copy of an event that is in.
type held struct {
	hash [16]byte
	at   eventlog.Position
}

// admission finds out which events of a batch count: those whose ids nobody has, or has for this very position.
type admission struct {
	generation Generation
	life       string // of the server that gave the numbers
	topics     map[string]int16

	records   []eventlog.Record
	ids       []identified
	copies    []copied
	conflicts []Conflict
	// again are further copies of events, with the same content, of this batch or of one that is in.
	again []eventlog.Record
	// waits are, for each pair of partitions, duplicates on the one of events on the other.
	waits     map[waitFor]wait
	committed projections.Committed
}

// waitFor is the partition of a duplicate, and that of the copy which counts.
type waitFor struct{ partition, on eventlog.TopicPartition }

// wait is the first of some duplicates, and the last of the copies that count.
type wait struct{ offset, on int64 }

// identify sorts the batch's events by id and drops all but the first copy of each: c.records keeps the first copies.
// Sorted rows make the index's pages hot and keep owners that share ids from waiting for each other in a circle.
func (c *admission) identify() {
	ids := make([]identified, 0, len(c.records))
	for i := range c.records {
		if event := c.records[i].Event; event != nil {
			ids = append(ids, identified{event.ID, event.ContentHash(), i})
		}
	}
	slices.SortFunc(ids, func(a, b identified) int {
		if order := bytes.Compare(a.id[:], b.id[:]); order != 0 {
			return order
		}
		return a.index - b.index
	})
	again := map[int]bool{}
	unique := ids[:0]
	for _, x := range ids {
		if n := len(unique); n > 0 && unique[n-1].id == x.id {
			c.copies = append(c.copies, copied{c.records[x.index], x.hash})
			again[x.index] = true
			continue
		}
		unique = append(unique, x)
	}
	c.ids = unique
	if len(again) > 0 {
		c.keep(func(i int) bool { return !again[i] })
	}
}

// duplicate counts a copy and keeps it; if its content differs, as a conflict.
func (c *admission) duplicate(record eventlog.Record, hash, kept [16]byte, at eventlog.Position) {
	c.committed.Duplicates++
	if between := (waitFor{record.TopicPartition(), at.TopicPartition()}); between.partition != between.on {
		w, again := c.waits[between]
		if !again {
			w = wait{record.Offset, at.Offset}
		}
		c.waits[between] = wait{min(w.offset, record.Offset), max(w.on, at.Offset)}
	}
	if hash == kept {
		c.again = append(c.again, record)
		return
	}
	c.committed.Conflicts++
	c.conflicts = append(c.conflicts, Conflict{Refused: record, Kept: at})
}

// settle counts the batch's further copies. It waits until the ids are claimed: where the first copy was none but itself
// a copy of what is in, these are to be compared with that, not with the first.
//
// A further copy may be the one that counts: where rows and ids do not go in at once, an earlier owner of its partition
// alone may have claimed the id and died.
func (c *admission) settle(in map[uuid.UUID]held) {
	counted := len(c.records)
	for _, x := range c.copies {
		kept, ok := in[x.record.Event.ID]
		if ok && kept.at == x.record.Position {
			c.records = append(c.records, x.record)
			continue
		}
		if !ok {
			at, _ := slices.BinarySearchFunc(c.ids, x.record.Event.ID, func(y identified, id uuid.UUID) int {
				return bytes.Compare(y.id[:], id[:])
			})
			kept = held{c.ids[at].hash, c.records[c.ids[at].index].Position}
		}
		c.duplicate(x.record, x.hash, kept.hash, kept.at)
	}
	if len(c.records) > counted {
		slices.SortFunc(c.records, func(a, b eventlog.Record) int {
			return cmp.Or(a.TopicPartition().Compare(b.TopicPartition()), cmp.Compare(a.Offset, b.Offset))
		})
	}
}

// claim claims the ids of the batch and keeps the records that count. It reports whether that is all of them.
func (c *admission) claim(ctx context.Context, tx pgx.Tx) (all bool, err error) {
	c.waits = map[waitFor]wait{}
	all, err = c.claimIdentities(ctx, tx)
	if err != nil {
		return false, err
	}
	if all {
		c.settle(nil)
		return true, nil
	}
	in, err := c.dropTaken(ctx, tx)
	if err != nil {
		return false, err
	}
	c.settle(in)
	return false, nil
}

// keep drops the records, and their identities, whose index does not pass.
func (c *admission) keep(pass func(index int) bool) {
	moved := make([]int, len(c.records))
	records := make([]eventlog.Record, 0, len(c.records))
	for i := range c.records {
		moved[i] = len(records)
		if pass(i) {
			records = append(records, c.records[i])
		}
	}
	ids := make([]identified, 0, len(records))
	for _, x := range c.ids {
		if pass(x.index) {
			ids = append(ids, identified{x.id, x.hash, moved[x.index]})
		}
	}
	c.records, c.ids = records, ids
}

const identityColumns = `(event_id, content_hash, topic, "partition", kafka_offset)`

// copyFrom is the least number of rows for which COPY under a savepoint beats one insert.
const copyFrom = 200

// claimIdentities inserts the batch's ids. It reports whether all of them were new.
func (c *admission) claimIdentities(ctx context.Context, tx pgx.Tx) (allNew bool, err error) {
	if len(c.ids) == 0 {
		return true, nil
	}
	if len(c.ids) >= copyFrom {
		done, err := c.copyIdentities(ctx, tx)
		if done || err != nil {
			return done, err
		}
	}
	inserted, err := c.insertIdentities(ctx, tx)
	return inserted == int64(len(c.ids)), err
}

// copyIdentities is the fast way, for when every id is new; it reports false, with nothing done, when one was not.
func (c *admission) copyIdentities(ctx context.Context, tx pgx.Tx) (bool, error) {
	const rowBytes = 70
	rows := NewRows(len(c.ids), rowBytes)
	for _, x := range c.ids {
		position := c.records[x.index].Position
		rows.Row(5) //nolint:mnd // identityColumns.
		rows.UUID(x.id)
		rows.Bytes(x.hash[:])
		rows.Int2(c.topics[position.Topic])
		rows.Int4(position.Partition)
		rows.Int8(position.Offset)
	}
	if _, err := tx.Exec(ctx, "SAVEPOINT identity"); err != nil {
		return false, fmt.Errorf("set a savepoint: %w", err)
	}
	err := Copy(ctx, tx, c.generation.Table("identity")+" "+identityColumns, rows)
	switch {
	case err == nil:
		return true, nil
	case sqlState(err) != stateUniqueViolation:
		return false, fmt.Errorf("copy identities: %w", err)
	}
	if _, err := tx.Exec(ctx, "ROLLBACK TO SAVEPOINT identity"); err != nil {
		return false, fmt.Errorf("go back to the savepoint: %w", err)
	}
	return false, nil
}

// insertIdentities inserts the ids that are new and returns how many were.
func (c *admission) insertIdentities(ctx context.Context, tx pgx.Tx) (int64, error) {
	n := len(c.ids)
	ids, hashes := NewArray(OIDUUID, n, 16), NewArray(OIDBytea, n, 16) //nolint:mnd // Bytes of each.
	topics, partitions, offsets := NewArray(OIDInt2, n, 2), NewArray(OIDInt4, n, 4), NewArray(OIDInt8, n, 8)
	for _, x := range c.ids {
		position := c.records[x.index].Position
		ids.Next().UUID(x.id)
		hashes.Next().Bytes(x.hash[:])
		topics.Next().Int2(c.topics[position.Topic])
		partitions.Next().Int4(position.Partition)
		offsets.Next().Int8(position.Offset)
	}
	inserted, err := execBinary(ctx, tx, "INSERT INTO "+c.generation.Table("identity")+" "+identityColumns+
		" SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::int2[], $4::int4[], $5::int8[]) ON CONFLICT DO NOTHING",
		ids, hashes, topics, partitions, offsets)
	if err != nil {
		return 0, fmt.Errorf("insert identities: %w", err)
	}
	return inserted, nil
}

// dropTaken reads which ids are this batch's by their position, and drops the other events: they are duplicates. It
// returns what is in.
func (c *admission) dropTaken(ctx context.Context, tx pgx.Tx) (map[uuid.UUID]held, error) {
	ids := make([]uuid.UUID, len(c.ids))
	byID := make(map[uuid.UUID]identified, len(c.ids))
	for i, x := range c.ids {
		ids[i], byID[x.id] = x.id, x
	}
	rows, err := tx.Query(ctx, `SELECT event_id, content_hash, i.topic, l.label, "partition", kafka_offset FROM `+
		c.generation.Table("identity")+` i JOIN tributary.labels l ON l.id = i.topic WHERE event_id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	defer rows.Close()
	in := make(map[uuid.UUID]held, len(ids))
	mine := make([]bool, len(c.records))
	for rows.Next() {
		var id uuid.UUID
		var hash []byte
		var topic int16
		var kept eventlog.Position
		if err := rows.Scan(&id, &hash, &topic, &kept.Topic, &kept.Partition, &kept.Offset); err != nil {
			return nil, fmt.Errorf("read an identity: %w", err)
		}
		in[id] = held{[16]byte(hash), kept}
		x := byID[id]
		record := c.records[x.index]
		if mine[x.index] = kept == record.Position; !mine[x.index] {
			c.duplicate(record, x.hash, [16]byte(hash), kept)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read identities: %w", err)
	}
	c.keep(func(i int) bool { return mine[i] || c.records[i].Event == nil })
	return in, nil
}
