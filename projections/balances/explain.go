package balances

import (
	"context"
	"fmt"
	"iter"
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// The columns of a balance's figure.
const (
	debits = iota
	credits
)

// Figures are an account's balances, a figure an asset and ledger, with the entries that stand behind each; filter names one
// account. db must be one snapshot; claims are read from it when they are asked for, those of one figure at a time.
func Figures(ctx context.Context, db postgres.Querier, filter Filter) ([]evidence.Figure, error) {
	found, err := List(ctx, db, filter)
	if err != nil {
		return nil, err
	}
	figures := make([]evidence.Figure, len(found))
	for i := range found {
		if figures[i], err = figure(ctx, db, &found[i], filter.AsOf); err != nil {
			return nil, fmt.Errorf("read what stands behind the balance of %s in %s: %w", found[i].Account, found[i].AssetCode, err)
		}
	}
	return figures, nil
}

const shownGeneration = `(SELECT tributary.shown('balances'))`

func figure(ctx context.Context, db postgres.Querier, b *Balance, asOf AsOf) (evidence.Figure, error) {
	account, _ := ledger.ParseAccount(b.Account)
	f := evidence.Figure{
		Name: b.Account, Ledger: b.Ledger, Asset: b.AssetCode,
		Columns: []string{"debits", "credits"}, Result: "balance", Signs: []int64{-1, 1},
		Rule: adds(account, b.Ledger, b.AssetCode),
	}
	if account.DebitNormal() {
		f.Signs = []int64{1, -1}
	}
	stored, err := evidence.Units(b.Debits, b.Credits, b.Balance)
	if err != nil {
		return f, err
	}
	f.Stored, f.StoredResult = evidence.Sum{Events: -1, Amounts: stored[:2]}, stored[2]
	var id int32
	err = db.QueryRow(ctx, `SELECT id FROM balances.accounts WHERE account = $1 AND ledger = $2 AND asset_code = $3`,
		b.Account, b.Ledger, b.AssetCode).Scan(&id)
	if err != nil {
		return f, fmt.Errorf("its number: %w", err)
	}
	if asOf.isZero() {
		f.Parts, err = parts(ctx, db, id)
	} else {
		f.Parts, err = partsAsOf(ctx, db, id, asOf)
	}
	if err != nil {
		return f, fmt.Errorf("its totals by partition: %w", err)
	}
	occurred, recorded := asOf.bounds()
	err = db.QueryRow(ctx, `SELECT count(*) FROM balances.entries e WHERE e.account = $1 AND e.generation = `+shownGeneration+
		` AND `+counts(2, 3), id, occurred, recorded).Scan(&f.Expected) //nolint:mnd // $2 and $3.
	if err != nil {
		return f, fmt.Errorf("the number of its entries: %w", err)
	}
	f.Claims = together(claims(ctx, db, id, asOf))
	return f, nil
}

// adds is what an event posts to an account: debits and credits.
func adds(account ledger.Account, books, asset string) func(*ledger.Event) []*big.Int {
	var postings []ledger.Posting
	return func(event *ledger.Event) []*big.Int {
		postings = ledger.Postings(postings[:0], event)
		var sums [2]ledger.Sum
		met := false
		for _, posting := range postings {
			if event.Ledger != books || posting.Account != account || posting.Asset != asset {
				continue
			}
			met = true
			if posting.Direction == ledger.Credit {
				sums[credits].Add(posting.Amount)
			} else {
				sums[debits].Add(posting.Amount)
			}
		}
		if !met {
			return nil
		}
		return []*big.Int{sums[debits].Big(), sums[credits].Big()}
	}
}

// parts are the totals of an account for each partition.
func parts(ctx context.Context, db postgres.Querier, id int32) (map[string]evidence.Sum, error) {
	rows, err := db.Query(ctx, `SELECT topic.label, t."partition", t.debits::text, t.credits::text
		FROM balances.totals t JOIN tributary.labels topic ON topic.id = t.topic
		WHERE t.account = $1 AND t.generation = `+shownGeneration, id)
	if err != nil {
		return nil, err
	}
	return scanParts(rows)
}

func scanParts(rows pgx.Rows) (map[string]evidence.Sum, error) {
	defer rows.Close()
	found := map[string]evidence.Sum{}
	for rows.Next() {
		var place eventlog.TopicPartition
		var debits, credits string
		if err := rows.Scan(&place.Topic, &place.Partition, &debits, &credits); err != nil {
			return nil, err //nolint:wrapcheck // As above.
		}
		amounts, err := evidence.Units(debits, credits)
		if err != nil {
			return nil, err
		}
		found[place.String()] = evidence.Sum{Events: -1, Amounts: amounts}
	}
	return found, rows.Err()
}

const listClaims = `
	SELECT e.event_id, e.occurred_at, topic.label, e."partition", e.kafka_offset, e.credit, e.amount::text
	FROM balances.entries e JOIN tributary.labels topic ON topic.id = e.topic
	WHERE e.account = $1 AND e.generation = ` + shownGeneration + ` AND %s
	ORDER BY e.occurred_at, e.topic, e."partition", e.kafka_offset, e.event_id`

// claims are the entries of an account, each by itself.
func claims(ctx context.Context, db postgres.Querier, id int32, asOf AsOf) iter.Seq2[evidence.Claim, error] {
	return func(yield func(evidence.Claim, error) bool) {
		occurred, recorded := asOf.bounds()
		rows, err := db.Query(ctx, fmt.Sprintf(listClaims, counts(2, 3)), id, occurred, recorded) //nolint:mnd // $2 and $3.
		if err != nil {
			yield(evidence.Claim{}, fmt.Errorf("read the entries: %w", err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			claim, err := scanClaim(rows)
			if err != nil {
				err = fmt.Errorf("read the entries: %w", err)
			}
			if !yield(claim, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(evidence.Claim{}, fmt.Errorf("read the entries: %w", err))
		}
	}
}

// together makes one claim of those that follow each other and are of one event.
func together(claims iter.Seq2[evidence.Claim, error]) iter.Seq2[evidence.Claim, error] {
	return func(yield func(evidence.Claim, error) bool) {
		var last *evidence.Claim
		for claim, err := range claims {
			switch {
			case err != nil:
				yield(claim, err)
				return
			case last != nil && last.EventID == claim.EventID && last.At == claim.At:
				for i := range last.Amounts {
					last.Amounts[i].Add(last.Amounts[i], claim.Amounts[i])
				}
				continue
			case last != nil && !yield(*last, nil):
				return
			}
			last = &claim
		}
		if last != nil {
			yield(*last, nil)
		}
	}
}

func scanClaim(rows pgx.Rows) (evidence.Claim, error) {
	var id uuid.UUID
	var at eventlog.Position
	var occurred time.Time
	var credit bool
	var amount string
	if err := rows.Scan(&id, &occurred, &at.Topic, &at.Partition, &at.Offset, &credit, &amount); err != nil {
		return evidence.Claim{}, err //nolint:wrapcheck // The caller says what was read.
	}
	amounts, err := evidence.Units(amount, "0")
	if err != nil {
		return evidence.Claim{}, err
	}
	if credit {
		amounts[debits], amounts[credits] = amounts[credits], amounts[debits]
	}
	return evidence.Claim{
		At: at, EventID: id, OccurredAt: occurred.UTC(), Part: at.TopicPartition().String(), Amounts: amounts,
	}, nil
}
