package audit

import (
	"encoding/hex"
	"hash/maphash"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/ledger"
)

const conflictsView = "books.conflicts"

// conflictRow is a row of books.conflicts, and the contents of both sides.
type conflictRow struct {
	met

	values        []string
	kept, refused string
}

func (c *conflictRow) cells() []string { return c.values }

// conflictKeys is how many of the texts of a conflict are its key.
const conflictKeys = 3

// texts are the columns of the table, and the contents of both sides.
func (c *conflict) texts() []string {
	return []string{
		c.at.Topic, strconv.Itoa(int(c.at.Partition)), strconv.FormatInt(c.at.Offset, 10),
		c.id.String(), c.ledger, c.kept.Topic, strconv.Itoa(int(c.kept.Partition)), strconv.FormatInt(c.kept.Offset, 10),
		hex.EncodeToString(c.keptHash[:]), hex.EncodeToString(c.hash[:]),
	}
}

// conflictsTable is the list of conflicts. What it shows of either side must have the content of that side.
func (b *balances) conflictsTable() table {
	t := table{
		name: conflictsView, keys: texts("topic", "partition", "kafka_offset"),
		values: texts("event_id", "ledger", "kept_topic", "kept_partition", "kept_kafka_offset"),
		others: texts("kept", "refused"),
	}
	t.extra = func(others [][]byte) string { return shownContent(others[0]) + " " + shownContent(others[1]) }
	t.trace = func(key string) string {
		if row, ok := b.listed[key]; ok {
			return "event " + row.values[0]
		}
		return ""
	}
	t.each = func(cells [][]byte) {
		key := keyOf(string(cells[0]), string(cells[1]), string(cells[2]))
		if row, ok := b.listed[key]; ok {
			c := b.conflicts.check
			compareContent(c, &t, key, "kept", cells[8], row.kept)
			compareContent(c, &t, key, "refused", cells[9], row.refused)
		}
	}
	return t
}

// conflict takes down what the list should have.
func (b *balances) conflict(c *conflict) error {
	texts := c.texts()
	key, contents := keyOf(texts[:conflictKeys]...), len(texts)-2
	b.conflicts.expect(key, append(texts[conflictKeys:contents:contents], texts[contents]+" "+texts[contents+1]))
	return b.spilled.Add(maphash.String(b.seed, key), []byte(keyOf(texts...)))
}

// listConflicts remembers those that are compared one by one.
func (b *balances) listConflicts() error {
	return b.spilled.Each(func(_ uint64, record []byte) error {
		texts := strings.Split(string(record), separator)
		key, contents := keyOf(texts[:conflictKeys]...), len(texts)-2
		if b.conflicts.holds(key) {
			b.listed[key] = &conflictRow{values: texts[conflictKeys:contents], kept: texts[contents], refused: texts[contents+1]}
		}
		return nil
	})
}

// shownContent is the hash of an event that the list shows; of one that it does not, or that is none, nothing.
func shownContent(document []byte) string {
	if document == nil {
		return ""
	}
	event, bad := ledger.DecodeJSON(document, ledger.Lenient)
	if bad != nil {
		return ""
	}
	hash := event.ContentHash()
	return hex.EncodeToString(hash[:])
}

// compareContent compares an event that the table shows with the content it should have. NULL says that the projector
// could not look it up.
func compareContent(c *check, t *table, key, column string, document []byte, want string) {
	if document == nil || shownContent(document) == want {
		return
	}
	d := t.difference(KindDifferent, key)
	d.Column, d.Want, d.Got = column, "the content of the event there", string(document)
	c.differs(d)
}
