package audit

import (
	"context"
	"strconv"

	"github.com/tributary-ledger/tributary/ledger"
)

const conflictsView = "books.conflicts"

// conflictRow is a row of books.conflicts.
type conflictRow struct {
	met
	conflict

	keptHash contentHash
}

func (r *conflictRow) cells() []string {
	return []string{
		r.id.String(), r.ledger, r.kept.Topic, strconv.Itoa(int(r.kept.Partition)), strconv.FormatInt(r.kept.Offset, 10),
	}
}

// compareConflicts holds the list of conflicts against those that were met. What the list shows of either side must have
// the content of that side.
func (b *balances) compareConflicts(ctx context.Context, s *snapshot) error {
	listed := map[string]*conflictRow{}
	for _, found := range b.examination.conflicts {
		key := keyOf(found.at.Topic, strconv.Itoa(int(found.at.Partition)), strconv.FormatInt(found.at.Offset, 10))
		listed[key] = &conflictRow{conflict: found, keptHash: b.examination.ids.find(found.id).hash}
	}
	c := b.examination.found.check(checkConflicts)
	t := table{
		name: conflictsView, keys: texts("topic", "partition", "kafka_offset"),
		values: texts("event_id", "ledger", "kept_topic", "kept_partition", "kept_kafka_offset"),
		others: texts("kept", "refused"),
	}
	t.trace = func(key string) string {
		if row, ok := listed[key]; ok {
			return traceID(row.id)
		}
		return ""
	}
	t.each = func(cells [][]byte) {
		key := keyOf(string(cells[0]), string(cells[1]), string(cells[2]))
		if row, ok := listed[key]; ok {
			compareContent(c, &t, key, "kept", cells[8], row.keptHash)
			compareContent(c, &t, key, "refused", cells[9], row.hash)
		}
	}
	return compare(ctx, s, c, t, rowsOf(listed))
}

// compareContent compares an event that the table shows with the content it should have. NULL says that the projector
// could not look it up.
func compareContent(c *check, t *table, key, column string, document []byte, want contentHash) {
	if document == nil {
		return
	}
	if event, bad := ledger.DecodeJSON(document, ledger.Lenient); bad == nil && event.ContentHash() == want {
		return
	}
	d := t.difference(KindDifferent, key)
	d.Column, d.Want, d.Got = column, "the content of the event there", string(document)
	c.differs(d)
}
