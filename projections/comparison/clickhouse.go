package comparison

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/clickhouse"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Generations are those of a projection in ClickHouse that are compared: their tables there, and snapshots of Postgres, where their
// ids are, that read one each (postgres.BeginSnapshot, postgres.Show).
type Generations struct {
	Live, Other                 clickhouse.Generation
	LiveSnapshot, OtherSnapshot pgx.Tx
}

// ClickHouse compares what readers see of two generations by the events below these offsets. ClickHouse has no snapshots: rows may
// be put in meanwhile, at these offsets or past them. What takes the place of an earlier row and names no position (a post's title)
// may be newer in the live generation; such rows are counted apart, and it is for the proof from the log to judge the other's.
// progress is as that of Postgres.
func ClickHouse(
	ctx context.Context, conn driver.Conn, projection clickhouse.Readable, g Generations, below map[eventlog.TopicPartition]int64,
	progress func(done, total int64),
) (Report, error) {
	j, meter := newJudge(g.OtherSnapshot), newMeter(progress)
	identities := postgres.IdentityView(projection.Definition().Name)
	identities.Where = belowInPostgres(below)
	ids, err := describe(ctx, g.LiveSnapshot, identities)
	if err != nil {
		return Report{}, err
	}
	condition := clickhouse.Below(below)
	live, other := projection.Readers(g.Live, condition), projection.Readers(g.Other, condition)
	trials := []*trial{newTrial(j, identities, ids.shape)}
	pairs := make([]*pair, len(live))
	views := make([]postgres.ReaderView, len(live))
	for i := range live {
		views[i] = live[i].ReaderView
		if pairs[i], err = describePair(ctx, conn, live[i], other[i], meter); err != nil {
			return Report{}, err
		}
		t := newTrial(j, views[i], pairs[i].shape)
		t.version = slices.IndexFunc(t.columns, func(c column) bool { return c.name == live[i].Version })
		trials = append(trials, t)
	}
	if err := ids.compare(ctx, [2]pgx.Tx{g.LiveSnapshot, g.OtherSnapshot}, trials[0], meter); err != nil {
		return Report{}, fmt.Errorf("compare %s: %w", identities.Name, err)
	}
	for _, i := range inTurn(views) {
		if err := pairs[i].compare(ctx, conn, trials[1+i], meter); err != nil {
			return Report{}, fmt.Errorf("compare %s: %w", views[i].Name, err)
		}
	}
	return j.finish(trials), nil
}

// belowInPostgres is clickhouse.Below for Postgres.
func belowInPostgres(offsets map[eventlog.TopicPartition]int64) string {
	if len(offsets) == 0 {
		return "false"
	}
	places := make([]string, 0, len(offsets))
	for _, p := range eventlog.SortedPartitions(offsets) {
		places = append(places, fmt.Sprintf("('%s', %d, %d)", strings.ReplaceAll(p.Topic, "'", "''"), p.Partition, offsets[p]))
	}
	return `EXISTS (SELECT FROM (VALUES ` + strings.Join(places, ", ") + `) w(t, p, n)
		WHERE w.t = topic AND w.p = "partition" AND kafka_offset < w.n)`
}

// pair is a view over two generations.
type pair struct {
	shape

	name string
	from [2]string
}

func describePair(ctx context.Context, conn driver.Conn, live, other clickhouse.ReaderView, m *meter) (*pair, error) {
	p := &pair{name: live.Name, from: [2]string{live.From, other.From}}
	rows, err := conn.Query(ctx, "DESCRIBE TABLE ("+live.From+")")
	if err != nil {
		return nil, fmt.Errorf("ask for the columns of %s: %w", p.name, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read.
	var columns []column
	for rows.Next() {
		var name, kind, rest string
		targets := []any{&name, &kind}
		for range len(rows.Columns()) - len(targets) {
			targets = append(targets, &rest)
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, fmt.Errorf("ask for the columns of %s: %w", p.name, err)
		}
		decimal := strings.HasPrefix(kind, "Decimal")
		columns = append(columns, column{
			name: name, key: slices.Contains(live.Key, name), copied: slices.Contains(live.Copy, name),
			number: decimal || strings.HasPrefix(kind, "Int") || strings.HasPrefix(kind, "UInt"), amount: decimal,
		})
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ask for the columns of %s: %w", p.name, err)
	}
	p.shape = newShape(columns)
	if err := p.needs(live.ReaderView); err != nil {
		return nil, err
	}
	if p.event < 0 { // To count sums takes as long as to compare them.
		return p, nil
	}
	for _, from := range p.from {
		var n uint64
		if err := conn.QueryRow(ctx, "SELECT count() FROM ("+from+")").Scan(&n); err != nil {
			return nil, fmt.Errorf("count the rows of %s: %w", p.name, err)
		}
		m.expect(p.name, int64(n))
	}
	return p, nil
}

// tuple is a text for columns together: what is in each stays apart.
func (p *pair) tuple(which func(column) bool) string {
	var names []string
	for _, c := range p.columns {
		if which(c) {
			names = append(names, "`"+c.name+"`")
		}
	}
	if len(names) == 0 {
		return "''"
	}
	return "toString(tuple(" + strings.Join(names, ", ") + "))"
}

func (p *pair) key() string    { return p.tuple(func(c column) bool { return c.key }) }
func (p *pair) value() string  { return p.tuple(func(c column) bool { return !c.copied }) }
func (p *pair) copies() string { return p.tuple(func(column) bool { return true }) }

// snapshots has all parts of a question see the same rows.
const snapshots = " SETTINGS enable_shared_storage_snapshot_in_query = 1"

func (p *pair) digestSQL(side int) string {
	return fmt.Sprintf(`SELECT toString(b), toString(count()), toString(sum(h)), toString(sum(c)) FROM (
		SELECT cityHash64(%s) %% %d AS b, reinterpretAsUInt128(sipHash128(%s)) AS h, reinterpretAsUInt128(sipHash128(%s)) AS c FROM (%s)
	) GROUP BY b`, p.key(), buckets, p.value(), p.copies(), p.from[side]) + snapshots
}

func (p *pair) rowsSQL(side int, odd []int32) string {
	texts := make([]string, len(p.columns))
	for i, c := range p.columns {
		texts[i] = "toString(`" + c.name + "`)"
	}
	numbers := make([]string, len(odd))
	for i, bucket := range odd {
		numbers[i] = strconv.Itoa(int(bucket))
	}
	return fmt.Sprintf(`SELECT toString(cityHash64(%[1]s) %% %[2]d), %[1]s, %[3]s FROM (%[4]s)
		WHERE cityHash64(%[1]s) %% %[2]d IN (%[5]s) ORDER BY cityHash64(%[1]s) %% %[2]d, %[1]s, %[6]s`,
		p.key(), buckets, strings.Join(texts, ", "), p.from[side], strings.Join(numbers, ", "), p.value()) + snapshots
}

func (p *pair) compare(ctx context.Context, conn driver.Conn, trial *trial, m *meter) error {
	if err := trial.begin(ctx); err != nil {
		return err
	}
	var digests [2]digests
	group, groupCtx := errgroup.WithContext(ctx)
	for side := range digests {
		group.Go(func() error { return p.digest(groupCtx, conn, side, &digests[side], m) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	trial.view.LiveRows, trial.view.OtherRows = digests[0].rows(), digests[1].rows()
	odd := digests[0].differing(&digests[1])
	if len(odd) == 0 {
		return nil
	}
	live, err := p.stream(ctx, conn, 0, odd)
	if err != nil {
		return err
	}
	defer live.rows.Close() //nolint:errcheck // Err tells whether all was read.
	other, err := p.stream(ctx, conn, 1, odd)
	if err != nil {
		return err
	}
	defer other.rows.Close() //nolint:errcheck // Err tells whether all was read.
	return merge(live, other, trial.each)
}

func (p *pair) digest(ctx context.Context, conn driver.Conn, side int, into *digests, m *meter) error {
	rows, err := conn.Query(ctx, p.digestSQL(side))
	if err != nil {
		return fmt.Errorf("sum up the rows: %w", err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read.
	for rows.Next() {
		var bucket, n string
		var d digest
		if err := rows.Scan(&bucket, &n, &d.first, &d.copies); err != nil {
			return fmt.Errorf("sum up the rows: %w", err)
		}
		at, err := strconv.Atoi(bucket)
		if err == nil {
			d.rows, err = strconv.ParseInt(n, 10, 64)
		}
		if err != nil {
			return fmt.Errorf("sum up the rows: %w", err)
		}
		into[at] = d
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("sum up the rows: %w", err)
	}
	m.done(p.name, into.rows())
	return nil
}

func (p *pair) stream(ctx context.Context, conn driver.Conn, side int, odd []int32) (*chStream, error) {
	rows, err := conn.Query(ctx, p.rowsSQL(side, odd))
	if err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	s := &chStream{rows: rows, texts: make([]string, 2+len(p.columns)), targets: make([]any, 2+len(p.columns))}
	s.row.cells = make([][]byte, len(p.columns))
	for i := range s.texts {
		s.targets[i] = &s.texts[i]
	}
	for i := range s.row.cells {
		s.row.cells[i] = []byte{} // An empty text is no NULL.
	}
	return s, nil
}

// chStream is the answer to rowsSQL.
type chStream struct {
	rows    driver.Rows
	texts   []string
	targets []any
	row     row
}

func (s *chStream) next() (*row, error) {
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return nil, fmt.Errorf("read the rows: %w", err)
		}
		return nil, nil //nolint:nilnil // As the interface says.
	}
	if err := s.rows.Scan(s.targets...); err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	var err error
	if s.row.bucket, err = strconv.Atoi(s.texts[0]); err != nil {
		return nil, fmt.Errorf("read the rows: a bucket: %w", err)
	}
	s.row.key = append(s.row.key[:0], s.texts[1]...)
	for i, text := range s.texts[2:] {
		s.row.cells[i] = append(s.row.cells[i][:0], text...)
	}
	return &s.row, nil
}
