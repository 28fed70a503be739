package balances

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Balance is an account's in one asset: two totals that only grow, and their difference on the account's normal side.
// Amounts are decimals without trailing zeros.
type Balance struct {
	Ledger    string `json:"ledger"`
	Account   string `json:"account"`
	AssetCode string `json:"asset_code"`
	Debits    string `json:"debits"`
	Credits   string `json:"credits"`
	Balance   string `json:"balance"`
}

// Filter picks balances; its zero value picks the first page of all.
type Filter struct {
	// Account is one account's full name, Prefix the beginning of any; empty ones do not narrow the list. So for Ledger
	// and Asset.
	Account, Prefix, Ledger, Asset string
	// After goes on behind the last balance of the page before.
	After *Balance
	// Limit is the most balances; 0 means 100.
	Limit int
	// AsOf says of when they are. Accounts without entries by then are not listed.
	AsOf AsOf
}

const defaultLimit = 100

// The page is chosen among the accounts' names before anything is summed, so that a page costs what is on it.
const listBalances = `
	WITH shown AS (SELECT tributary.shown('balances') AS generation),
	page AS (
		SELECT id, ledger, account, asset_code FROM balances.accounts a
		WHERE ($1 = '' OR account = $1) AND ($2 = '' OR account ^@ $2) AND ($3 = '' OR ledger = $3) AND ($4 = '' OR asset_code = $4)
		  AND ($5 = '' OR (account, ledger, asset_code) > ($5, $6, $7))
		  AND EXISTS (SELECT FROM balances.totals t WHERE t.account = a.id AND t.generation = (SELECT generation FROM shown))
		ORDER BY account, ledger, asset_code LIMIT $8
	)
	SELECT page.ledger, page.account, page.asset_code,
	       trim_scale(sum(t.debits))::text, trim_scale(sum(t.credits))::text,
	       trim_scale(CASE WHEN split_part(page.account, ':', 1) IN ('provider', 'chain', 'interledger', 'bank', 'expense')
	                       THEN sum(t.debits) - sum(t.credits) ELSE sum(t.credits) - sum(t.debits) END)::text
	FROM page JOIN balances.totals t ON t.account = page.id AND t.generation = (SELECT generation FROM shown)
	GROUP BY page.ledger, page.account, page.asset_code
	ORDER BY page.account, page.ledger, page.asset_code`

// List gives balances by account, ledger and asset.
func List(ctx context.Context, db postgres.Querier, filter Filter) ([]Balance, error) {
	after := Balance{}
	if filter.After != nil {
		after = *filter.After
	}
	if filter.Limit == 0 {
		filter.Limit = defaultLimit
	}
	sql, arguments := listBalances, []any{
		filter.Account, filter.Prefix, filter.Ledger, filter.Asset, after.Account, after.Ledger, after.AssetCode, filter.Limit,
	}
	if !filter.AsOf.isZero() {
		occurred, recorded := filter.AsOf.bounds()
		sql, arguments = listAsOf(), append(arguments, occurred, recorded)
	}
	return postgres.List[Balance](ctx, db, "balances", sql, arguments...)
}

// Key names an account of a ledger.
type Key struct{ Ledger, Account string }

// Of are the balances of these accounts, by account and asset, each with its account's place in the list. Many accounts cost
// little more than one.
func Of(ctx context.Context, db postgres.Querier, accounts []Key) ([]Numbered, error) {
	ledgers, names := make([]string, len(accounts)), make([]string, len(accounts))
	for i, a := range accounts {
		ledgers[i], names[i] = a.Ledger, a.Account
	}
	return postgres.List[Numbered](ctx, db, "balances", `
		WITH shown AS (SELECT tributary.shown('balances') AS generation)
		SELECT a.ledger, a.account, a.asset_code, trim_scale(sum(t.debits))::text, trim_scale(sum(t.credits))::text,
		       trim_scale(CASE WHEN split_part(a.account, ':', 1) IN ('provider', 'chain', 'interledger', 'bank', 'expense')
		                       THEN sum(t.debits) - sum(t.credits) ELSE sum(t.credits) - sum(t.debits) END)::text, (k.n - 1)::int4
		FROM unnest($1::text[], $2::text[]) WITH ORDINALITY k(ledger, account, n)
		JOIN balances.accounts a ON a.account = k.account AND a.ledger = k.ledger
		JOIN balances.totals t ON t.account = a.id AND t.generation = (SELECT generation FROM shown)
		GROUP BY k.n, a.ledger, a.account, a.asset_code ORDER BY k.n, a.asset_code`, ledgers, names)
}

// Numbered is a balance of one of several accounts.
type Numbered struct {
	Balance

	// Index is the account's.
	Index int32
}

// Entry is a posting: what an event did to an account.
type Entry struct {
	EventID    uuid.UUID `json:"event_id"`
	Entry      int32     `json:"entry"`
	Ledger     string    `json:"ledger"`
	Account    string    `json:"account"`
	AssetCode  string    `json:"asset_code"`
	Direction  string    `json:"direction"`
	Amount     string    `json:"amount"`
	OccurredAt time.Time `json:"occurred_at"`
	RecordedAt time.Time `json:"recorded_at"`
	EventType  string    `json:"event_type"`
	Reference  string    `json:"reference"`
	Topic      string    `json:"topic"`
	Partition  int32     `json:"partition"`
	Offset     int64     `json:"kafka_offset"`
}

// Position is where the entry's event lies in the log.
func (e *Entry) Position() eventlog.Position {
	return eventlog.Position{Topic: e.Topic, Partition: e.Partition, Offset: e.Offset}
}

// EntryFilter picks entries of an account, which is required; the other fields are as in Filter.
type EntryFilter struct {
	Account, Ledger, Asset string
	After                  *Entry
	Limit                  int
	AsOf                   AsOf
	// From is the first moment of event time that counts; zero: all.
	From time.Time
}

// Of an account with many entries those of each asset are read from the index's end, so that a page costs what is on it.
const listEntries = `
	SELECT e.event_id, e.entry, a.ledger, a.account, a.asset_code, CASE WHEN e.credit THEN 'credit' ELSE 'debit' END,
	       trim_scale(e.amount)::text, e.occurred_at, e.recorded_at, type.label, e.reference, e.topic, e."partition", e.kafka_offset
	FROM (SELECT id, ledger, account, asset_code FROM balances.accounts
	      WHERE account = $1 AND ($2 = '' OR ledger = $2) AND ($3 = '' OR asset_code = $3)) a
	CROSS JOIN LATERAL (
		SELECT e.event_id, e.entry, e.credit, e.amount, e.occurred_at, e.recorded_at, e.event_type, e.reference,
		       topic.label AS topic, e."partition", e.kafka_offset
		FROM balances.entries e JOIN tributary.labels topic ON topic.id = e.topic
		WHERE e.account = a.id AND e.generation = ` + shownGeneration + ` AND e.occurred_at >= $5%s
		ORDER BY e.occurred_at DESC, topic.label DESC, e."partition" DESC, e.kafka_offset DESC, e.entry DESC LIMIT $4
	) e
	JOIN tributary.labels type ON type.id = e.event_type
	ORDER BY e.occurred_at DESC, e.topic DESC, e."partition" DESC, e.kafka_offset DESC, e.entry DESC LIMIT $4`

// Entries gives an account's entries, the latest first.
func Entries(ctx context.Context, db postgres.Querier, filter EntryFilter) ([]Entry, error) {
	if filter.Limit == 0 {
		filter.Limit = defaultLimit
	}
	from := endless(pgtype.NegativeInfinity)
	if !filter.From.IsZero() {
		from = at(filter.From)
	}
	conditions, arguments := "", []any{filter.Account, filter.Ledger, filter.Asset, filter.Limit, from}
	if after := filter.After; after != nil {
		conditions += ` AND e.occurred_at <= $6
			AND (e.occurred_at, topic.label, e."partition", e.kafka_offset, e.entry) < ($6, $7, $8, $9, $10)`
		arguments = append(arguments, after.OccurredAt, after.Topic, after.Partition, after.Offset, after.Entry)
	}
	if !filter.AsOf.isZero() {
		occurred, recorded := filter.AsOf.bounds()
		conditions += " AND " + counts(len(arguments)+1, len(arguments)+2)
		arguments = append(arguments, occurred, recorded)
	}
	entries, err := postgres.List[Entry](ctx, db, "the entries of "+filter.Account, fmt.Sprintf(listEntries, conditions), arguments...)
	for i := range entries {
		entries[i].OccurredAt, entries[i].RecordedAt = entries[i].OccurredAt.UTC(), entries[i].RecordedAt.UTC()
	}
	return entries, err
}

// Held is an event that is in: its content, as a hash, and where the copy lies that counts.
type Held struct {
	ContentHash [16]byte
	At          eventlog.Position
}

// HeldEvents are those of the events with these ids that are in, by id.
func HeldEvents(ctx context.Context, db postgres.Querier, ids []uuid.UUID) (map[uuid.UUID]Held, error) {
	rows, err := db.Query(ctx, `SELECT i.event_id, i.content_hash, topic.label, i."partition", i.kafka_offset
		FROM balances.identity i JOIN tributary.labels topic ON topic.id = i.topic
		WHERE i.event_id = ANY($1) AND i.generation = `+shownGeneration, ids)
	if err != nil {
		return nil, fmt.Errorf("look for events that are in: %w", err)
	}
	found := make(map[uuid.UUID]Held)
	var id uuid.UUID
	var hash []byte
	var at eventlog.Position
	_, err = pgx.ForEachRow(rows, []any{&id, &hash, &at.Topic, &at.Partition, &at.Offset}, func() error {
		found[id] = Held{[16]byte(hash), at}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for events that are in: %w", err)
	}
	return found, nil
}
