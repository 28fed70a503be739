package audit

import (
	"context"
	"hash/maphash"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/projections/audit/spill"
)

const checkCopies = "every further copy of an event is noted, once, with when it was recorded"

// notedRow is a row of a table of copies.
type notedRow struct {
	met

	recorded string
}

func (r *notedRow) cells() []string { return []string{r.recorded} }

// noted holds a table of the further copies of events, those with the same content, against the copies that were met: since when
// an event is known depends on them.
type noted struct {
	*rowset

	// written is a time as the table's server writes it.
	written func(time.Time) string
	// spilled has all copies that were met, listed those that are compared one by one.
	spilled *spill.Sorter
	listed  map[string]*notedRow
}

func (a *Auditor) newNoted(e *examination, t table, written func(time.Time) string) *noted {
	t.trace = func(key string) string { return "event " + key[:min(len(key), len(uuid.Nil.String()))] }
	return &noted{
		rowset: newRowset(e.found.check(checkCopies), a.seed, t), written: written, listed: map[string]*notedRow{},
		spilled: spill.New(a.memory.Dir, a.memory.Bytes/copiesShare),
	}
}

// copiesShare is the part of the memory in which copies are sorted: there are few.
const copiesShare = 16

func (n *noted) copy(o *other) error {
	key := keyOf(o.id.String(), o.at.Topic, strconv.Itoa(int(o.at.Partition)), strconv.FormatInt(o.at.Offset, 10))
	recorded := n.written(o.recorded)
	n.expect(key, []string{recorded})
	return n.spilled.Add(maphash.String(n.digester.seed, key), []byte(keyOf(key, recorded)))
}

// detail compares those that differ one by one.
func (n *noted) detail(ctx context.Context, s source) error {
	if len(n.held) == 0 {
		return nil
	}
	err := n.spilled.Each(func(_ uint64, record []byte) error {
		at := strings.LastIndex(string(record), separator)
		if key := string(record[:at]); n.holds(key) {
			n.listed[key] = &notedRow{recorded: string(record[at+len(separator):])}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return n.rowset.detail(ctx, s, rowsOf(n.listed))
}

func (n *noted) close() error { return n.spilled.Close() }
