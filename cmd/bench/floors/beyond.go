package floors

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/klauspost/compress/zstd"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// block is a batch as it is decoded.
type block struct {
	ids     []uuid.UUID
	entries []entry
}

// blobsTable has a blob a batch, and whom and when it is about.
const blobsTable = `CREATE TABLE blobs (batch bigint PRIMARY KEY, accounts int4range, since timestamptz, until timestamptz,
		entries bytea NOT NULL);
	ALTER TABLE blobs ALTER entries SET STORAGE EXTERNAL`

// beyondRows keeps the same events without a row an event or an entry: ids as sorted runs, totals as rows and, where they are wanted,
// the entries of a batch as one compressed blob. Everything from decoded events to the commit is measured, on one connection.
func beyondRows(withEntries bool) func(context.Context, *measure.Bed) (measure.Result, error) {
	return func(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
		stores, err := bed.Stores(ctx)
		if err != nil {
			return result, err
		}
		defer func() { err = errors.Join(err, stores.Drop(ctx)) }()
		for _, sql := range []string{tables, runsTable, blobsTable} {
			if _, err := stores.Postgres.Exec(ctx, sql); err != nil {
				return result, fmt.Errorf("make the tables: %w", err)
			}
		}
		conn, err := pgx.Connect(ctx, stores.PostgresURL)
		if err != nil {
			return result, fmt.Errorf("connect to Postgres: %w", err)
		}
		defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
		packer, err := newPacker()
		if err != nil {
			return result, err
		}
		if !withEntries {
			packer = nil
		}
		return writeBlocks(ctx, conn, bed.Fill.Events, blocksOf(bed.Fill), packer)
	}
}

func blocksOf(fill measure.Fill) (blocks []block) {
	eachBatch(fill, func(events []*ledger.Event, entries []entry) {
		b := block{ids: make([]uuid.UUID, len(events)), entries: slices.Clone(entries)}
		for i, event := range events {
			b.ids[i] = event.ID
		}
		blocks = append(blocks, b)
	})
	return blocks
}

// writeBlocks commits all, with entries where there is a packer.
func writeBlocks(ctx context.Context, conn *pgx.Conn, events int64, blocks []block, packer *packer) (measure.Result, error) {
	ids, packed := newRuns(events), 0
	began := time.Now()
	for n, b := range blocks {
		var blob []byte
		sortEntries(b.entries)
		if packer != nil {
			blob = packer.pack(b.entries)
			packed += len(blob)
		}
		if err := writeBeyond(ctx, conn, ids, n, b, blob); err != nil {
			return measure.Result{}, err
		}
	}
	result := measure.Per(events, time.Since(began).Seconds())
	result.Extra = map[string]float64{"pages_looked_up": float64(ids.looked)}
	if packer != nil {
		result.Extra["entries_bytes_per_event"] = float64(packed) / float64(events)
	}
	return result, nil
}

// writeBeyond commits a batch. An id that is in already would end it: the run's events have an id each.
func writeBeyond(ctx context.Context, conn *pgx.Conn, ids *runs, number int, b block, blob []byte) error {
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		fresh, err := ids.add(ctx, tx, b.ids)
		if err != nil {
			return err
		}
		if len(fresh) != len(b.ids) {
			return fmt.Errorf("%d of %d ids are new, and all should be", len(fresh), len(b.ids))
		}
		if blob != nil {
			first, last := b.entries[0], b.entries[len(b.entries)-1]
			if _, err := tx.Exec(ctx, "INSERT INTO blobs VALUES ($1, int4range($2, $3, '[]'), $4, $5, $6)",
				number, first.account, last.account, first.at, last.at, blob); err != nil {
				return err //nolint:wrapcheck // below
			}
		}
		if err := postgres.Exec(ctx, tx, addTotals, totalsOf(b.entries, 0)...); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, "INSERT INTO offsets AS o VALUES (0, $1) ON CONFLICT (source) DO UPDATE SET next = o.next + $1", len(b.ids))
		return err //nolint:wrapcheck // below
	})
	if err != nil {
		return fmt.Errorf("write a batch: %w", err)
	}
	return nil
}

// packer makes a blob of a batch's entries.
type packer struct {
	encoder                                   *zstd.Encoder
	accounts, times, events, numbers, amounts []byte
}

func newPacker() (*packer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("set up the compression: %w", err)
	}
	return &packer{encoder: encoder}, nil
}

// pack puts sorted entries column beside column. An entry does not repeat its event's id: it says which of the batch it is of, and the
// log has the rest.
func (p *packer) pack(entries []entry) []byte {
	p.accounts, p.times, p.events, p.numbers, p.amounts = p.accounts[:0], p.times[:0], p.events[:0], p.numbers[:0], p.amounts[:0]
	account, at := int32(0), int64(0)
	for i := range entries {
		e := &entries[i]
		p.accounts = binary.AppendVarint(p.accounts, int64(e.account-account))
		p.times = binary.AppendVarint(p.times, e.at.UnixMicro()-at)
		p.events = binary.AppendUvarint(p.events, uint64(e.event)) //nolint:gosec // positive
		number := uint64(e.number) << 1                            //nolint:gosec // positive
		if e.credit {
			number |= 1
		}
		p.numbers = binary.AppendUvarint(p.numbers, number)
		p.amounts = append(e.amount.Append(p.amounts), 0)
		account, at = e.account, e.at.UnixMicro()
	}
	return p.encoder.EncodeAll(slices.Concat(p.accounts, p.times, p.events, p.numbers, p.amounts), nil)
}
