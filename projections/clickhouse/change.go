package clickhouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// change is a batch on its way into ClickHouse.
type change struct {
	store      *Store
	batch      projections.Batch
	generation Generation
	claims     *postgres.Claims
	// block is the rows if no event is a duplicate.
	block  *block
	asides []aside
}

// Commit claims the ids, inserts the rows that are not in, and moves the offsets. Each step may have been done by an earlier
// try, of this owner or of another, and is done once.
func (c *change) Commit(ctx context.Context) (projections.Committed, error) {
	select {
	case c.store.turn <- struct{}{}:
		defer func() { <-c.store.turn }()
	case <-ctx.Done():
		return projections.Committed{}, ctx.Err()
	}
	committed, err := c.commit(ctx)
	if errors.Is(err, errOusted) { // Trying again tells by whom; a swap is no trouble that anybody should be told of.
		committed, err = c.commit(ctx)
	}
	if refused, ok := err.(*projections.RefusedError); ok { //nolint:errorlint // Made here, never wrapped.
		refused.Batch = c.batch
	}
	return committed, err
}

func (c *change) commit(ctx context.Context) (projections.Committed, error) {
	var none projections.Committed
	holds, err := c.held()
	if err != nil {
		return none, err
	}
	if err := c.secure(ctx, holds); err != nil {
		return none, err
	}
	if len(c.claims.Records())+len(c.asides) > 0 {
		if err := c.store.pause(ctx); err != nil {
			return none, err
		}
	}
	if err := c.step(ctx, "claim"); err != nil {
		return none, err
	}
	claimed, err := c.claims.Claim(ctx)
	if err != nil || claimed == nil {
		return none, err
	}
	rows, err := c.missing(claimed, holds)
	if err != nil {
		return none, err
	}
	asides, err := c.withCopies(claimed.Again())
	if err != nil {
		return none, err
	}
	if err := c.step(ctx, "insert"); err != nil {
		return none, err
	}
	if err := c.insert(ctx, rows, asides, holds); err != nil {
		return none, err
	}
	if err := c.step(ctx, "offsets"); err != nil {
		return none, err
	}
	if err := claimed.Move(ctx); err != nil {
		return none, err
	}
	return claimed.Committed(), c.step(ctx, "answer")
}

func (c *change) step(ctx context.Context, name string) error {
	if err := c.store.options.Step(ctx, name); err != nil {
		return fmt.Errorf("stopped before the step %s: %w", name, err)
	}
	return nil
}

// held are the holds of the batch's partitions. One that was taken over since, by this very store too, is no more the
// batch's.
func (c *change) held() (map[eventlog.TopicPartition]*hold, error) {
	c.store.mu.Lock()
	defer c.store.mu.Unlock()
	holds := make(map[eventlog.TopicPartition]*hold, len(c.batch.Ranges))
	var fenced projections.FencedError
	for _, r := range c.batch.Ranges {
		h := c.store.holds[r.TopicPartition]
		if h == nil || h.owner != r.Epoch {
			fenced.Partitions = append(fenced.Partitions, r.TopicPartition)
			continue
		}
		holds[r.TopicPartition] = h
	}
	if len(fenced.Partitions) > 0 {
		return nil, &fenced
	}
	return holds, nil
}

// secure secures the partitions of which it is not known what is in.
func (c *change) secure(ctx context.Context, holds map[eventlog.TopicPartition]*hold) error {
	unknown := map[eventlog.TopicPartition]*hold{}
	for p, h := range holds {
		if !h.secured {
			unknown[p] = h
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	if err := c.step(ctx, "secure"); err != nil {
		return err
	}
	err := c.store.secure(ctx, c.generation, unknown)
	if fenced := c.store.leftBehind(ctx, err, c.generation, unknown); fenced != nil {
		return fenced
	}
	return c.explainFence(ctx, err)
}

// explainFence finds out whether a refusal by a fence in ClickHouse means that the owner was replaced.
func (c *change) explainFence(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if fenced := c.claims.Fenced(ctx); fenced != nil {
		return fenced
	}
	return err
}

// pause waits until it is time for the next insert.
func (s *Store) pause(ctx context.Context) error {
	timer := time.NewTimer(time.Until(s.inserted.Add(s.options.Interval)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// missing are the claimed rows that are not in: those past the top of their partition. Where the batch passes the top, all
// that is in must be accounted for.
func (c *change) missing(claimed *postgres.Claimed, holds map[eventlog.TopicPartition]*hold) (*block, error) {
	in := map[eventlog.TopicPartition]int64{}
	isIn := func(record *eventlog.Record) bool { return record.Offset <= holds[record.TopicPartition()].top }
	for i := range claimed.Records() {
		if record := &claimed.Records()[i]; isIn(record) {
			in[record.TopicPartition()]++
		}
	}
	table := c.generation.Table(c.store.projection.Rows().Name)
	for _, r := range c.batch.Ranges {
		h := holds[r.TopicPartition]
		if err := h.check(table, r.TopicPartition, r.To, claimed.Accepted[r.TopicPartition]+in[r.TopicPartition]); err != nil {
			h.secured, h.doubted = false, true // Look again: it may have been mended.
			return nil, err
		}
	}
	if claimed.All && len(in) == 0 {
		return c.block, nil
	}
	return c.store.fold(slices.DeleteFunc(slices.Clone(claimed.Records()), func(record eventlog.Record) bool { return isIn(&record) }))
}

// withCopies are the asides of the batch, and those of the copies that were found by claiming. Of each further try they are the same.
func (c *change) withCopies(again []eventlog.Record) ([]aside, error) {
	keeper, ok := c.store.projection.(CopyKeeper)
	if !ok || len(again) == 0 {
		return c.asides, nil
	}
	copies, err := c.store.foldAsides(keeper.FoldCopies, again)
	return slices.Concat(c.asides, copies), err
}

// insert puts in the asides, and then the rows as one block.
func (c *change) insert(ctx context.Context, rows *block, asides []aside, holds map[eventlog.TopicPartition]*hold) error {
	if len(asides)+rows.rows() > 0 {
		c.store.inserted = time.Now()
	}
	for _, aside := range asides {
		if err := c.store.send(ctx, c.generation.Table(aside.table), aside.columns, aside.body, ""); err != nil {
			return c.explainInsert(ctx, aside.table, err)
		}
	}
	if rows.rows() == 0 {
		return nil
	}
	epochs := make(map[eventlog.TopicPartition]int64, len(rows.runs))
	var comment strings.Builder
	comment.WriteString("tributary")
	for _, r := range rows.runs {
		h := holds[r.partition]
		epochs[r.partition] = h.epoch
		fmt.Fprintf(&comment, "%s%d", c.generation.mark(r.partition), h.epoch)
		h.secured = false // Until the answer, who knows.
	}
	name := c.store.projection.Rows().Name
	if err := c.store.send(ctx, c.generation.Table(name), rows.columns, rows.sealed(epochs), comment.String()); err != nil {
		return c.explainInsert(ctx, name, err)
	}
	for _, r := range rows.runs {
		h := holds[r.partition]
		h.top, h.count, h.secured = r.last, h.count+int64(r.rows), true
	}
	return nil
}

// errOusted says that an insert was ended, or refused by the fence: mostly by a swap, or by the next owner.
var errOusted = errors.New("the insert was ended by another")

// explainInsert tells apart what an insert can fail with.
func (c *change) explainInsert(ctx context.Context, table string, err error) error {
	switch {
	case violates(err, fenceConstraint):
		return c.explainFence(ctx, fmt.Errorf("the fence in ClickHouse has moved or is lost, and nobody else has the partitions: "+
			"securing them again: %w: %w", errOusted, err))
	case cancelled(err):
		return fmt.Errorf("%w: %w", errOusted, explain("insert into "+table, err))
	case refuses(err):
		return &projections.RefusedError{Err: err}
	default:
		return explain("insert into "+table, err)
	}
}

// stalledSeconds bounds how long the server waits for a client that stopped sending.
const stalledSeconds = 10

// send inserts a body as one block, durably. An error but the server's own leaves open whether the rows are in. How long it may
// take is the caller's to say: a batch that takes longer is committed in halves.
func (s *Store) send(ctx context.Context, table string, columns []string, body []byte, comment string) error {
	return s.conn.InsertFormat(withSettings(ctx, clickhouse.Settings{ //nolint:wrapcheck // The callers explain it.
		"wait_end_of_query": 1,
		"log_comment":       comment,
		// One sink, which sees the rows in order: an insert that is killed after all leaves a prefix.
		"max_insert_threads":            1,
		"input_format_parallel_parsing": 0,
		// All rows are one block, and one part.
		"max_insert_block_size":       math.MaxInt32,
		"min_insert_block_size_rows":  math.MaxInt32,
		"min_insert_block_size_bytes": math.MaxInt32,
		// Copies are our affair: what looks like an insert before is one of ours whose rows are not in.
		"insert_deduplicate":   0,
		"http_receive_timeout": stalledSeconds,
		"http_send_timeout":    stalledSeconds,
	}), "Native", fmt.Sprintf("INSERT INTO %s (%s)", table, columnList(columns)), bytes.NewReader(body))
}
