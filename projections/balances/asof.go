package balances

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// AsOf says which of an account's entries count; its zero value all.
type AsOf struct {
	// At is the last moment of event time: what occurred later does not count. Zero: no end.
	At time.Time
	// KnownAt is the last moment of recorded time: events of which no copy was in the log by then do not count. Zero: no end.
	KnownAt time.Time
}

func (a AsOf) isZero() bool { return a.At.IsZero() && a.KnownAt.IsZero() }

// bounds are the moments as parameters: occurred and recorded.
func (a AsOf) bounds() (occurred, recorded pgtype.Timestamptz) {
	bound := func(t time.Time) pgtype.Timestamptz {
		if t.IsZero() {
			return endless(pgtype.Infinity)
		}
		return at(t)
	}
	return bound(a.At), bound(a.KnownAt)
}

// counts is the condition on entries e, whose parameters are the bounds. Of an event's copies the first to be recorded says since when
// it is known, which may be another than the one that the entries name.
func counts(occurred, recorded int) string {
	return fmt.Sprintf(`e.occurred_at <= $%[1]d AND (e.recorded_at <= $%[2]d OR EXISTS (
		SELECT FROM balances.copies c WHERE c.generation = `+shownGeneration+` AND c.event_id = e.event_id AND c.recorded_at <= $%[2]d))`,
		occurred, recorded)
}

// listAsOf adds entries up, where listBalances reads totals.
func listAsOf() string {
	const occurred, recorded = 9, 10
	ofAccount := ` FROM balances.entries e
		WHERE e.generation = ` + shownGeneration + ` AND ` + counts(occurred, recorded) + ` AND e.account = `
	return `
	WITH page AS MATERIALIZED (
		SELECT id, ledger, account, asset_code FROM balances.accounts a
		WHERE ($1 = '' OR account = $1) AND ($2 = '' OR account ^@ $2) AND ($3 = '' OR ledger = $3) AND ($4 = '' OR asset_code = $4)
		  AND ($5 = '' OR (account, ledger, asset_code) > ($5, $6, $7))
		  AND EXISTS (SELECT ` + ofAccount + `a.id OFFSET 0)
		ORDER BY account, ledger, asset_code LIMIT $8
	)
	SELECT page.ledger, page.account, page.asset_code, trim_scale(s.debits)::text, trim_scale(s.credits)::text,
	       trim_scale(CASE WHEN split_part(page.account, ':', 1) IN ('provider', 'chain', 'interledger', 'bank', 'expense')
	                       THEN s.debits - s.credits ELSE s.credits - s.debits END)::text
	FROM page CROSS JOIN LATERAL (
		SELECT coalesce(sum(e.amount) FILTER (WHERE NOT e.credit), 0) AS debits, coalesce(sum(e.amount) FILTER (WHERE e.credit), 0) AS credits` +
		ofAccount + `page.id
	) s
	ORDER BY page.account, page.ledger, page.asset_code`
}

// partsAsOf are the sums of an account's entries that count, for each partition, and how many entries that is.
func partsAsOf(ctx context.Context, db postgres.Querier, id int32, asOf AsOf) (map[string]evidence.Sum, error) {
	occurred, recorded := asOf.bounds()
	rows, err := db.Query(ctx, `SELECT topic.label, s."partition", s.debits::text, s.credits::text FROM (
			SELECT e.topic, e."partition", coalesce(sum(e.amount) FILTER (WHERE NOT e.credit), 0) AS debits,
				coalesce(sum(e.amount) FILTER (WHERE e.credit), 0) AS credits
			FROM balances.entries e WHERE e.account = $1 AND e.generation = `+shownGeneration+` AND `+counts(2, 3)+` GROUP BY 1, 2
		) s JOIN tributary.labels topic ON topic.id = s.topic`, id, occurred, recorded) //nolint:mnd // $2 and $3.
	if err != nil {
		return nil, err
	}
	return scanParts(rows)
}
