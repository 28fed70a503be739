package foldtest

import (
	"encoding/binary"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Player plays many histories into one database, each into a ledger of its own: a database for each would cost a second.
type Player struct {
	pool   *pgxpool.Pool
	owner  *Owner
	views  []string
	played uint32
	offset int64
}

// NewPlayer makes a player of a projection that shows these views of the schema books.
func NewPlayer(t testing.TB, projection postgres.Projection, views ...string) *Player {
	t.Helper()
	pool := Open(t, projection)
	return &Player{pool: pool, owner: Own(t, pool, projection), views: views}
}

// partitions are as many as the events of a history are dealt to.
const partitions = 3

// Play commits batches of events, which lie in turn on several partitions, and gives what readers of their ledger see then:
// each view's rows as JSON, sorted, without nulls and without the ledger. Copies of an event stay copies, and events of
// another history never are: Play gives them ids and a ledger of this one.
func (p *Player) Play(t testing.TB, batches iter.Seq[[]*ledger.Event]) string {
	t.Helper()
	p.played++
	name := fmt.Sprintf("history-%d", p.played)
	for events := range batches {
		records := make([]eventlog.Record, len(events))
		for i, original := range events {
			event := *original
			event.Ledger = name
			binary.BigEndian.PutUint32(event.ID[:], p.played)
			records[i] = Record(&event, int32(p.offset%partitions), p.offset)
			p.offset++
		}
		p.owner.Commit(t, records...)
	}
	return p.dump(t, name)
}

func (p *Player) dump(t testing.TB, name string) string {
	t.Helper()
	var out strings.Builder
	for _, view := range p.views {
		sql := fmt.Sprintf(`SELECT (jsonb_strip_nulls(to_jsonb(v)) - 'ledger')::text FROM books.%s v WHERE ledger = $1 ORDER BY 1`, view)
		rows, err := p.pool.Query(t.Context(), sql, name)
		require.NoError(t, err)
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, row := range all {
			out.WriteString(view + " " + row + "\n")
		}
	}
	return out.String()
}
