package comparison

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Postgres compares what readers see in two transactions, each of which reads one snapshot and one generation of a projection
// (postgres.BeginSnapshot, postgres.Show), both at one vector of offsets. It changes how they show times and bytes. The events
// behind rows are found by the index of subjects that other sees. progress may be nil; it is told how many rows are compared, of
// about how many.
func Postgres(
	ctx context.Context, live, other pgx.Tx, views []postgres.ReaderView, progress func(done, total int64),
) (Report, error) {
	sides := [2]pgx.Tx{live, other}
	for _, tx := range sides {
		for _, setting := range []string{
			"timezone = 'UTC'", "datestyle = 'ISO'", "intervalstyle = 'postgres'", "bytea_output = 'hex'", "extra_float_digits = 1", "jit = off",
		} {
			if _, err := tx.Exec(ctx, "SET LOCAL "+setting); err != nil {
				return Report{}, fmt.Errorf("prepare to compare: set %s: %w", setting, err)
			}
		}
	}
	j, meter := newJudge(other), newMeter(progress)
	trials := make([]*trial, len(views))
	tables := make([]*table, len(views))
	for i, view := range views {
		table, err := describe(ctx, live, view)
		if err != nil {
			return Report{}, err
		}
		tables[i], trials[i] = table, newTrial(j, view, table.shape)
		for _, tx := range sides {
			if err := table.estimate(ctx, tx, meter); err != nil {
				return Report{}, err
			}
		}
	}
	for _, i := range inTurn(views) {
		if err := tables[i].compare(ctx, sides, trials[i], meter); err != nil {
			return Report{}, fmt.Errorf("compare %s: %w", views[i].Name, err)
		}
	}
	return j.finish(trials), nil
}

// inTurn is the order in which views are compared: conflicts are known first, and what sums up others waits for these.
func inTurn(views []postgres.ReaderView) []int {
	turn := make([]int, 0, len(views))
	for _, now := range []func(postgres.ReaderView) bool{
		func(v postgres.ReaderView) bool { return v.Identities },
		func(v postgres.ReaderView) bool { return v.Sums != "" },
		func(v postgres.ReaderView) bool { return !v.Identities && v.Sums == "" },
	} {
		for i, view := range views {
			if now(view) {
				turn = append(turn, i)
			}
		}
	}
	return turn
}

// table is a view as it is asked for in Postgres.
type table struct {
	shape

	of postgres.ReaderView
}

// from is what stands in FROM.
func (t *table) from() string {
	from := t.of.From
	if from == "" {
		from = "SELECT * FROM " + t.of.Name
	}
	from = "(" + from + ") v"
	if t.of.Where != "" {
		from += " WHERE " + t.of.Where
	}
	return from
}

// describe asks for the columns of a view.
func describe(ctx context.Context, tx pgx.Tx, of postgres.ReaderView) (*table, error) {
	t := &table{of: of}
	rows, err := tx.Query(ctx, "SELECT * FROM "+t.from()+" LIMIT 0")
	if err != nil {
		return nil, fmt.Errorf("ask for the columns of %s: %w", of.Name, err)
	}
	rows.Close()
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("ask for the columns of %s: %w", of.Name, err)
	}
	var columns []column
	for _, field := range rows.FieldDescriptions() {
		c := column{
			name: field.Name, key: slices.Contains(of.Key, field.Name), copied: slices.Contains(of.Copy, field.Name),
			scaled: field.DataTypeOID == pgtype.NumericOID,
		}
		c.number = c.scaled || slices.Contains([]uint32{pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID}, field.DataTypeOID)
		c.amount = c.scaled && !c.key
		columns = append(columns, c)
	}
	t.shape = newShape(columns)
	if err := t.needs(of); err != nil {
		return nil, err
	}
	return t, nil
}

// texts are the columns as they are compared: equal values give one text, with the settings that Postgres made.
func (t *table) texts(which func(column) bool) []string {
	var texts []string
	for _, c := range t.columns {
		if !which(c) {
			continue
		}
		name := pgx.Identifier{c.name}.Sanitize()
		if c.scaled {
			name = "trim_scale(" + name + ")"
		}
		texts = append(texts, name)
	}
	return texts
}

// composite is a text for values together: what is NULL, empty or has commas in it stays apart.
func composite(texts []string) string { return "ROW(" + strings.Join(texts, ", ") + ")::text" }

// buckets is into how many the keys of a view are dealt.
const buckets = 4_096

// bucketed is what a bucket goes by: the rows of an event come together.
func (t *table) bucketed() string {
	columns := t.texts(func(c column) bool { return c.key })
	if event := columnEvent; slices.Contains(t.of.Key, event) {
		columns = []string{pgx.Identifier{event}.Sanitize()}
	}
	return fmt.Sprintf("(hashtextextended(%s, 0) & %d)::int4", composite(columns), buckets-1)
}

// digestSQL asks for the sums of each bucket. A row's hashes start from those of its key, so that values that changed places
// between two rows show; 128 bits of them are summed, without overflow. OFFSET 0 keeps texts from being made twice.
func (t *table) digestSQL() string {
	key := composite(t.texts(func(c column) bool { return c.key }))
	value := composite(t.texts(func(c column) bool { return !c.key && !c.copied }))
	copies := composite(t.texts(func(c column) bool { return c.copied }))
	return fmt.Sprintf(`SELECT b, count(*), sum(h)::text, sum(g)::text, sum(c)::text FROM (
		SELECT b, h, hashtextextended(t, k2) AS g, hashtextextended(c, h) AS c FROM (
			SELECT b, t, c, k2, hashtextextended(t, k1) AS h FROM (
				SELECT b, t, c, hashtextextended(k, 1) AS k1, hashtextextended(k, 2) AS k2 FROM (
					SELECT %s AS b, %s AS k, %s AS t, %s AS c FROM %s OFFSET 0) x OFFSET 0) x OFFSET 0) x) x GROUP BY b`,
		t.bucketed(), key, value, copies, t.from())
}

// rowsSQL asks for the rows of some buckets.
func (t *table) rowsSQL() string {
	all := t.texts(func(column) bool { return true })
	key := composite(t.texts(func(c column) bool { return c.key }))
	subjects := "NULL"
	if t.of.Subjects != "" {
		subjects = "array_to_json(" + t.of.Subjects + ")"
	}
	return fmt.Sprintf(`SELECT b, k, s, %s FROM (
			SELECT %s AS b, %s COLLATE "C" AS k, %s AS s, * FROM %s OFFSET 0
		) x WHERE b = ANY($1::int4[]) ORDER BY b, k, hashtextextended(%s, 0)`,
		strings.Join(all, ", "), t.bucketed(), key, subjects, t.from(), composite(all))
}

// estimate tells the meter how many rows Postgres expects.
func (t *table) estimate(ctx context.Context, tx pgx.Tx, m *meter) error {
	var text []byte
	if err := tx.QueryRow(ctx, "EXPLAIN (FORMAT JSON) SELECT FROM "+t.from()).Scan(&text); err != nil {
		return fmt.Errorf("estimate the rows of %s: %w", t.of.Name, err)
	}
	var plans []struct {
		Plan struct {
			Rows float64 `json:"Plan Rows"` //nolint:tagliatelle // as Postgres names it
		} `json:"Plan"` //nolint:tagliatelle // as Postgres names it
	}
	if err := json.Unmarshal(text, &plans); err != nil || len(plans) == 0 {
		return fmt.Errorf("estimate the rows of %s: %w", t.of.Name, err)
	}
	m.expect(t.of.Name, int64(plans[0].Plan.Rows))
	return nil
}

func (t *table) compare(ctx context.Context, sides [2]pgx.Tx, trial *trial, m *meter) error {
	if err := trial.begin(ctx); err != nil {
		return err
	}
	var digests [2]digests
	group, groupCtx := errgroup.WithContext(ctx)
	for i, tx := range sides {
		group.Go(func() error { return t.digest(groupCtx, tx, &digests[i], m) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	trial.view.LiveRows, trial.view.OtherRows = digests[0].rows(), digests[1].rows()
	odd := digests[0].differing(&digests[1])
	if len(odd) > 0 {
		if err := t.compareRows(ctx, sides, odd, trial); err != nil {
			return err
		}
	}
	return trial.explain(ctx)
}

// digest reads the sums of one generation.
func (t *table) digest(ctx context.Context, tx pgx.Tx, into *digests, m *meter) error {
	rows, err := tx.Query(ctx, t.digestSQL())
	if err != nil {
		return fmt.Errorf("sum up the rows: %w", err)
	}
	var bucket int
	var d digest
	_, err = pgx.ForEachRow(rows, []any{&bucket, &d.rows, &d.first, &d.second, &d.copies}, func() error {
		into[bucket] = d
		return nil
	})
	if err != nil {
		return fmt.Errorf("sum up the rows: %w", err)
	}
	m.done(t.of.Name, into.rows())
	return nil
}

// compareRows reads the rows of the buckets that are not alike.
func (t *table) compareRows(ctx context.Context, sides [2]pgx.Tx, odd []int32, trial *trial) error {
	live, err := t.stream(ctx, sides[0], odd)
	if err != nil {
		return err
	}
	defer live.rows.Close()
	other, err := t.stream(ctx, sides[1], odd)
	if err != nil {
		return err
	}
	defer other.rows.Close()
	return merge(live, other, trial.each)
}

func (t *table) stream(ctx context.Context, tx pgx.Tx, odd []int32) (*pgStream, error) {
	rows, err := tx.Query(ctx, t.rowsSQL(), pgx.QueryResultFormats{pgx.TextFormatCode}, odd)
	if err != nil {
		return nil, fmt.Errorf("read the rows: %w", err)
	}
	return &pgStream{rows: rows}, nil
}

// pgStream is the answer to rowsSQL.
type pgStream struct {
	rows pgx.Rows
	row  row
}

func (s *pgStream) next() (*row, error) {
	if !s.rows.Next() {
		if err := s.rows.Err(); err != nil {
			return nil, fmt.Errorf("read the rows: %w", err)
		}
		return nil, nil //nolint:nilnil // As the interface says.
	}
	const before = 3 // b, k and s
	cells := s.rows.RawValues()
	bucket, err := strconv.Atoi(string(cells[0]))
	if err != nil {
		return nil, fmt.Errorf("read the rows: a bucket: %w", err)
	}
	s.row = row{bucket: bucket, key: cells[1], subjects: cells[2], cells: cells[before:]}
	return &s.row, nil
}
