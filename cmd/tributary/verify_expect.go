package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/simulation"
)

// expectation is a part of what a simulation says, and the query that tells what the tables have of it.
type expectation struct {
	name, projection string
	// keys are how many of the columns name a row; the others are compared. All of them are texts.
	keys    int
	columns string
	sql     string
	// unowned is the query of rows that belong to no ledger. They stand for what is missed, and count against none.
	unowned string
}

// expectations are all that is compared, for a ledger. The quarantine has rows that belong to none, because nobody can read whose:
// as expected is what is between the ledger's rows, and these with the unowned ones.
func expectations() []expectation {
	return []expectation{
		{"accounts", "balances", 2, "account asset_code debits credits balance", `
			SELECT account, asset_code, trim_scale(debits)::text, trim_scale(credits)::text, trim_scale(balance)::text
			FROM books.account_balances WHERE ledger = $1`, ""},
		{"conflicts", "balances", 0, "conflicts", `
			SELECT count(*)::text FROM books.conflicts WHERE ledger = $1`, ""},
		{"payments", "receipts", 2, "state asset_code payments amount refunded disputed", `
			SELECT state, asset_code, count(*)::text, trim_scale(sum(amount))::text, trim_scale(coalesce(sum(refunded), 0))::text,
				trim_scale(coalesce(sum(disputed), 0))::text
			FROM books.payments WHERE ledger = $1 GROUP BY state, asset_code`, ""},
		{"refunds", "receipts", 2, "state asset_code refunds amount", `
			SELECT state, asset_code, count(*)::text, trim_scale(sum(amount))::text
			FROM books.refunds WHERE ledger = $1 GROUP BY state, asset_code`, ""},
		{"receipts", "receipts", 1, "asset_code receipts amount fee refunded", `
			SELECT asset_code, count(*)::text, trim_scale(sum(amount))::text, trim_scale(coalesce(sum(fee), 0))::text,
				trim_scale(coalesce(sum(refunded), 0))::text
			FROM books.receipts WHERE ledger = $1 GROUP BY asset_code`, ""},
		{"receivers", "receivers", 2, "state asset_code receivers amount_due pending confirmed", `
			SELECT state, asset_code, count(*)::text, trim_scale(sum(amount_due))::text, trim_scale(sum(pending))::text,
				trim_scale(sum(confirmed))::text
			FROM books.receivers WHERE ledger = $1 GROUP BY state, asset_code`, ""},
		{"receiver_payments", "receivers", 2, "state asset_code payments amount late", `
			SELECT state, asset_code, count(*)::text, trim_scale(sum(amount))::text, (count(*) FILTER (WHERE late))::text
			FROM books.receiver_payments WHERE ledger = $1 GROUP BY state, asset_code`, ""},
		{"quarantine", "quarantine", 1, "reason records", `
			SELECT reason, count(*)::text FROM books.quarantine WHERE ledger = $1 GROUP BY reason`, `
			SELECT reason, count(*)::text FROM books.quarantine WHERE ledger IS NULL GROUP BY reason`},
		{"revenue", "revenue", 5, "stream owner year month asset_code gross refunds fees net events", `
			SELECT stream, owner, toString(year), toString(month), asset_code, toString(sum(gross)), toString(sum(refunds)),
				toString(sum(fees)), toString(sum(net)), toString(sum(events))
			FROM revenue.by_month WHERE ledger = $1 GROUP BY ALL`, ""},
	}
}

func (e *expectation) names() []string { return strings.Fields(e.columns) }

// compared is how a part of the tables compares with what the simulation says, as --json prints it.
type compared struct {
	Name             string           `json:"name"`
	Projection       string           `json:"projection"`
	Rows             int64            `json:"rows"`
	DifferencesTotal int64            `json:"differences_total"`
	Differences      []unlikeExpected `json:"differences"`
}

// unlikeExpected is a column of a row that is not as expected; empty on the side that has no such row.
type unlikeExpected struct {
	Key    string `json:"key"`
	Column string `json:"column"`
	Got    string `json:"got"`
	Want   string `json:"want"`
}

// compare is compareExpected, and says what is left out. Nothing is compared where nothing is expected.
func (a *app) compare(
	ctx context.Context, pool *pgxpool.Pool, warehouse driver.Conn, expected *simulation.Expected, names []string,
) ([]compared, error) {
	if expected == nil {
		return nil, nil
	}
	if warehouse == nil && len(names) == 0 {
		a.notef("the revenue is not compared with what is expected: %s", noClickHouse)
	}
	all, err := compareExpected(ctx, pool, warehouse, expected, names)
	return all, a.explainClickHouse(err)
}

// compareExpected compares the tables of some projections, all where none is named, with what a simulation says. The revenue is
// passed over where there is no warehouse.
func compareExpected(
	ctx context.Context, pool *pgxpool.Pool, warehouse driver.Conn, expected *simulation.Expected, names []string,
) ([]compared, error) {
	said, err := saidBySimulation(expected)
	if err != nil {
		return nil, err
	}
	all := []compared{}
	for _, e := range expectations() {
		if len(names) > 0 && !slices.Contains(names, e.projection) || inClickHouse(e.projection) && warehouse == nil {
			continue
		}
		read := e.fromBooks
		if inClickHouse(e.projection) {
			read = func(ctx context.Context, _ *pgxpool.Pool, ledger string) (map[string][]string, error) {
				return e.fromWarehouse(ctx, warehouse, ledger)
			}
		}
		found, err := read(ctx, pool, expected.Ledger)
		if err != nil {
			return nil, err
		}
		want := e.rows(said[e.name])
		if err := e.cover(ctx, pool, found, want); err != nil {
			return nil, err
		}
		all = append(all, e.compare(found, want))
	}
	return all, nil
}

// saidBySimulation is what the simulation says as JSON has it: by the names of its parts lists of objects, whose fields have the
// names of the columns. Counts by name become such lists, too.
func saidBySimulation(expected *simulation.Expected) (map[string][]map[string]any, error) {
	text, err := json.Marshal(expected)
	if err != nil {
		return nil, fmt.Errorf("read the expected totals: %w", err)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, fmt.Errorf("read the expected totals: %w", err)
	}
	said := map[string][]map[string]any{"conflicts": {{"conflicts": expected.Traffic.Conflicts}}}
	for reason, records := range expected.Quarantine {
		said["quarantine"] = append(said["quarantine"], map[string]any{"reason": reason, "records": records})
	}
	for _, e := range expectations() {
		if _, told := said[e.name]; told || e.name == "quarantine" {
			continue
		}
		decoder := json.NewDecoder(strings.NewReader(string(parts[e.name])))
		decoder.UseNumber() // an amount has more digits than a float
		var rows []map[string]any
		if err := decoder.Decode(&rows); err != nil {
			return nil, fmt.Errorf("read the expected %s: %w", e.name, err)
		}
		said[e.name] = rows
	}
	return said, nil
}

// rows are the texts of the part's columns, by the row's key.
func (e *expectation) rows(objects []map[string]any) map[string][]string {
	rows := map[string][]string{}
	for _, object := range objects {
		row := make([]string, 0, len(e.names()))
		for _, column := range e.names() {
			row = append(row, fmt.Sprint(object[column]))
		}
		e.put(rows, row)
	}
	return rows
}

func (e *expectation) put(rows map[string][]string, row []string) {
	rows[strings.Join(row[:e.keys], " ")] = row
}

func (e *expectation) fromBooks(ctx context.Context, pool *pgxpool.Pool, ledger string) (map[string][]string, error) {
	return e.query(ctx, pool, e.sql, ledger)
}

// cover adds to the counts that are found as many of the unowned rows as are missed, and no more.
func (e *expectation) cover(ctx context.Context, pool *pgxpool.Pool, found, expected map[string][]string) error {
	if e.unowned == "" {
		return nil
	}
	unowned, err := e.query(ctx, pool, e.unowned)
	if err != nil {
		return err
	}
	for key, want := range expected {
		rows := number(found[key]) + min(number(unowned[key]), max(0, number(want)-number(found[key])))
		if rows > 0 {
			found[key] = []string{key, strconv.FormatInt(rows, 10)}
		}
	}
	return nil
}

// number is the count at the end of a row, 0 where there is none.
func number(row []string) int64 {
	if len(row) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(row[len(row)-1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func (e *expectation) query(ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) (map[string][]string, error) {
	rows, err := pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", e.name, err)
	}
	defer rows.Close()
	return e.collect(rows)
}

func (e *expectation) fromWarehouse(ctx context.Context, conn driver.Conn, ledger string) (map[string][]string, error) {
	rows, err := conn.Query(ctx, e.sql, ledger)
	if err != nil {
		return nil, fmt.Errorf("read the %s: %w", e.name, err)
	}
	defer rows.Close() //nolint:errcheck // Err tells whether all was read
	return e.collect(rows)
}

// scanner is a cursor of either store.
type scanner interface {
	Next() bool
	Scan(into ...any) error
	Err() error
}

func (e *expectation) collect(rows scanner) (map[string][]string, error) {
	found, columns := map[string][]string{}, len(e.names())
	for rows.Next() {
		row, into := make([]string, columns), make([]any, columns)
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("read the %s: %w", e.name, err)
		}
		e.put(found, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the %s: %w", e.name, err)
	}
	return found, nil
}

// compare lists the first differences, in the order of their keys.
func (e *expectation) compare(found, expected map[string][]string) compared {
	const most = 1_000
	c := compared{Name: e.name, Projection: e.projection, Rows: int64(len(expected)), Differences: []unlikeExpected{}}
	differs := func(d unlikeExpected) {
		c.DifferencesTotal++
		if c.DifferencesTotal <= most {
			c.Differences = append(c.Differences, d)
		}
	}
	keys := maps.Clone(expected)
	maps.Copy(keys, found)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		have, want := found[key], expected[key]
		switch {
		case have == nil:
			differs(unlikeExpected{Key: key, Want: strings.Join(want[e.keys:], " ")})
		case want == nil:
			differs(unlikeExpected{Key: key, Got: strings.Join(have[e.keys:], " ")})
		default:
			for i, column := range e.names() {
				if have[i] != want[i] {
					differs(unlikeExpected{key, column, have[i], want[i]})
				}
			}
		}
	}
	return c
}

// asExpected tells whether nothing differs.
func asExpected(all []compared) bool {
	return !slices.ContainsFunc(all, func(c compared) bool { return c.DifferencesTotal > 0 })
}

func (a *app) printCompared(all []compared) error {
	listed := newTable("EXPECTED", "PROJECTION", ">ROWS", ">DIFFERENCES", "RESULT")
	for _, c := range all {
		result := "as expected"
		if c.DifferencesTotal > 0 {
			result = "DIFFERS"
		}
		listed.row(c.Name, c.Projection, count(c.Rows), count(c.DifferencesTotal), result)
	}
	if err := a.printf("\n"); err != nil {
		return err
	}
	if err := a.printTable(listed); err != nil {
		return err
	}
	for i := range all {
		if err := a.printUnexpected(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

// printUnexpected lists the differences of a part, the first few of many.
func (a *app) printUnexpected(c *compared) error {
	const most = 20
	shown := c.Differences[:min(len(c.Differences), most)]
	for _, d := range shown {
		got, want := cmp.Or(d.Got, "not there"), cmp.Or(d.Want, "none")
		column := ""
		if d.Column != "" {
			column = ": " + d.Column
		}
		if err := a.printf("%s %s%s is %s, expected %s\n", c.Name, printable(d.Key), column, printable(got), printable(want)); err != nil {
			return err
		}
	}
	if more := c.DifferencesTotal - int64(len(shown)); more > 0 {
		return a.printf("… and %s more differences in %s\n", count(more), c.Name)
	}
	return nil
}
