package floors

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// runs are the ids of one canonical partition without an index row each: sorted runs, each a blob in Postgres, which are merged as they
// grow, behind a Bloom filter in memory.
//
//	id ─▶ filter ── not there ──────────────────────────▶ new
//	         └───── perhaps ─▶ page of each run ─▶ found: a duplicate; else new
type runs struct {
	filter filter
	// levels are the runs by how often they were merged; each level's are in the order in which they came.
	levels [][]run
	next   int64
	// looked counts the pages that were read, because the filter could not tell.
	looked int64
}

// run is a sorted run: where it lies, and the first id of each of its pages.
type run struct {
	number int64
	firsts []uuid.UUID
	last   uuid.UUID
	length int
}

const (
	idBytes = 16
	// pageIDs is how many ids are read at once.
	pageIDs = 256
	// fanIn is how many runs are merged to one.
	fanIn = 8
	// filterBits is what an id takes of the filter.
	filterBits = 16
)

// runsTable keeps blobs as they are: a page is cut out without reading the rest.
const runsTable = `CREATE TABLE runs (number bigint PRIMARY KEY, ids bytea NOT NULL);
	ALTER TABLE runs ALTER ids SET STORAGE EXTERNAL`

func newRuns(ids int64) *runs { return &runs{filter: newFilter(ids)} }

// add puts in the ids that are new, and returns them sorted.
func (r *runs) add(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) ([]uuid.UUID, error) {
	slices.SortFunc(ids, compareIDs)
	ids = slices.Compact(ids)
	var perhaps []uuid.UUID
	for _, id := range ids {
		if r.filter.has(id) {
			perhaps = append(perhaps, id)
		}
	}
	if len(perhaps) > 0 {
		in, err := r.find(ctx, tx, perhaps)
		if err != nil {
			return nil, err
		}
		ids = slices.DeleteFunc(ids, func(id uuid.UUID) bool { return in[id] })
	}
	if len(ids) == 0 {
		return nil, nil
	}
	for _, id := range ids {
		r.filter.add(id)
	}
	fresh, err := r.write(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	if len(r.levels) == 0 {
		r.levels = append(r.levels, nil)
	}
	r.levels[0] = append(r.levels[0], fresh)
	return ids, r.merge(ctx, tx)
}

// write stores sorted ids as a run.
func (r *runs) write(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (run, error) {
	blob := make([]byte, 0, idBytes*len(ids))
	fresh := run{number: r.next, last: ids[len(ids)-1], length: len(ids)}
	for i, id := range ids {
		if i%pageIDs == 0 {
			fresh.firsts = append(fresh.firsts, id)
		}
		blob = append(blob, id[:]...)
	}
	r.next++
	if _, err := tx.Exec(ctx, "INSERT INTO runs VALUES ($1, $2)", fresh.number, blob); err != nil {
		return run{}, fmt.Errorf("store a run of %d ids: %w", len(ids), err)
	}
	return fresh, nil
}

// page is where an id would be in a run.
type page struct {
	run, at int64
	id      uuid.UUID
}

// pages are where an id may be, one at most in each run.
func (r *runs) pages(id uuid.UUID) (all []page) {
	for _, s := range slices.Concat(r.levels...) {
		at, exact := slices.BinarySearchFunc(s.firsts, id, compareIDs)
		if !exact {
			at--
		}
		if at >= 0 && compareIDs(id, s.last) <= 0 {
			all = append(all, page{s.number, int64(at), id})
		}
	}
	return all
}

// find reads the pages where ids would be.
func (r *runs) find(ctx context.Context, tx pgx.Tx, ids []uuid.UUID) (map[uuid.UUID]bool, error) {
	in := map[uuid.UUID]bool{}
	batch := &pgx.Batch{}
	for _, id := range ids {
		for _, p := range r.pages(id) {
			r.looked++
			const sql = "SELECT substring(ids FROM $2 FOR $3) FROM runs WHERE number = $1"
			batch.Queue(sql, p.run, 1+p.at*pageIDs*idBytes, pageIDs*idBytes).QueryRow(func(row pgx.Row) error {
				var page []byte
				if err := row.Scan(&page); err != nil {
					return err //nolint:wrapcheck // below
				}
				if _, found := slices.BinarySearchFunc(idsOf(page), p.id, compareIDs); found {
					in[p.id] = true
				}
				return nil
			})
		}
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("look for %d ids in the runs: %w", len(ids), err)
	}
	return in, nil
}

// merge makes one run of many of a level, for as long as a level is full.
func (r *runs) merge(ctx context.Context, tx pgx.Tx) error {
	for n := 0; n < len(r.levels) && len(r.levels[n]) >= fanIn; n++ {
		full := r.levels[n]
		numbers := make([]int64, len(full))
		length := 0
		for i, s := range full {
			numbers[i], length = s.number, length+s.length
		}
		rows, err := tx.Query(ctx, "DELETE FROM runs WHERE number = ANY ($1) RETURNING ids", numbers)
		if err != nil {
			return fmt.Errorf("read %d runs: %w", len(full), err)
		}
		merged := make([]uuid.UUID, 0, length)
		blobs, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return fmt.Errorf("read %d runs: %w", len(full), err)
		}
		for _, blob := range blobs {
			merged = append(merged, idsOf(blob)...)
		}
		slices.SortFunc(merged, compareIDs)
		one, err := r.write(ctx, tx, merged)
		if err != nil {
			return err
		}
		r.levels[n] = nil
		if n+1 == len(r.levels) {
			r.levels = append(r.levels, nil)
		}
		r.levels[n+1] = append(r.levels[n+1], one)
	}
	return nil
}

func idsOf(blob []byte) []uuid.UUID {
	ids := make([]uuid.UUID, len(blob)/idBytes)
	for i := range ids {
		ids[i] = uuid.UUID(blob[i*idBytes:])
	}
	return ids
}

func compareIDs(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }

// filter is a Bloom filter whose bits of an id lie in one line of the processor's cache.
type filter struct {
	lines [][8]uint64
}

func newFilter(ids int64) filter {
	const lineBits = 512
	return filter{make([][8]uint64, ids*filterBits/lineBits+1)}
}

// place is the line, and a mask for each of its words.
func (f *filter) place(id uuid.UUID) (line *[8]uint64, mask [8]uint64) {
	const odd1, odd2 = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
	mixed := (binary.LittleEndian.Uint64(id[:]) ^ odd1) * odd2
	mixed ^= mixed>>29 ^ binary.LittleEndian.Uint64(id[8:])
	high, low := bits.Mul64(mixed, odd1)
	hash := high ^ low
	at, _ := bits.Mul64(hash, uint64(len(f.lines)))
	hash = (hash ^ hash>>31) * odd2
	for i := range mask {
		mask[i] = 1 << (hash >> (6 * i) & 63) //nolint:mnd // six bits choose one of 64
	}
	return &f.lines[at], mask
}

func (f *filter) has(id uuid.UUID) bool {
	line, mask := f.place(id)
	for i := range mask {
		if line[i]&mask[i] == 0 {
			return false
		}
	}
	return true
}

func (f *filter) add(id uuid.UUID) {
	line, mask := f.place(id)
	for i := range mask {
		line[i] |= mask[i]
	}
}
