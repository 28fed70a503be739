package receipts

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"math/big"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/evidence"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Figure is a receipt with the events behind it, or ErrNotFound: the postings of its payment, of which the last counts, and its
// refunds. db must be one snapshot. The log is asked for the events' times, by which they are ordered.
func Figure(ctx context.Context, db postgres.Querier, log *eventlog.Lookup, books, receiptID string) (evidence.Figure, error) {
	receipt, err := GetReceipt(ctx, db, books, receiptID)
	if err != nil {
		return evidence.Figure{}, err
	}
	f := evidence.Figure{
		Name: receipt.ReceiptID, Ledger: receipt.Ledger, Asset: receipt.AssetCode, Columns: []string{"amount", "fee", "refunded"},
	}
	fee := "0"
	if receipt.Fee != nil {
		fee = *receipt.Fee
	}
	amounts, err := evidence.Units(receipt.Amount, fee, receipt.Refunded)
	if err != nil {
		return f, fmt.Errorf("the receipt %s: %w", receiptID, err)
	}
	f.Stored = evidence.Sum{Events: int64(receipt.Version), Amounts: amounts}
	claims, err := claimed(ctx, db, &receipt)
	if err != nil {
		return f, fmt.Errorf("find the events of the receipt %s: %w", receiptID, err)
	}
	deciding, err := inOrder(ctx, log, claims)
	if err != nil {
		return f, err
	}
	f.Rule, f.Claims, f.Expected = adds(&receipt, deciding), each(claims), int64(len(claims))
	return f, nil
}

func each(claims []evidence.Claim) iter.Seq2[evidence.Claim, error] {
	return func(yield func(evidence.Claim, error) bool) {
		for _, claim := range claims {
			if !yield(claim, nil) {
				return
			}
		}
	}
}

// The last posting is found by what merging keeps; only where there were several are the others looked for without an index.
const (
	selectFacts = `SELECT facts FROM receipts.payments WHERE ledger = $1 AND payment_id = $2 AND generation = ` + shownGeneration
	selectMoves = `SELECT event_id FROM receipts.movements
		WHERE kind = $3 AND ledger = $1 AND payment_id = $2 AND generation = ` + shownGeneration
	selectMoved = `SELECT event_id FROM receipts.movements
		WHERE kind > 1 AND kind = $3 AND ledger = $1 AND payment_id = $2 AND generation = ` + shownGeneration
	selectPlaces = `SELECT i.event_id, topic.label, i."partition", i.kafka_offset
		FROM receipts.identity i JOIN tributary.labels topic ON topic.id = i.topic
		WHERE i.event_id = ANY($1) AND i.generation = ` + shownGeneration
	shownGeneration = `(SELECT tributary.shown('receipts'))`
)

// claimed are the events that made the receipt, by its tables' account.
func claimed(ctx context.Context, db postgres.Querier, r *Receipt) ([]evidence.Claim, error) {
	var facts []byte
	if err := db.QueryRow(ctx, selectFacts, r.Ledger, r.PaymentID).Scan(&facts); err != nil {
		return nil, err //nolint:wrapcheck // The caller says what was read.
	}
	var p payment
	if err := p.take(facts); err != nil {
		return nil, err
	}
	ids := []uuid.UUID{p.facts[posted].id}
	if p.posts > 1 {
		var err error
		if ids, err = events(ctx, db, selectMoves, r.Ledger, r.PaymentID, movedPosted); err != nil {
			return nil, err
		}
	}
	refunds, err := events(ctx, db, selectMoved, r.Ledger, r.PaymentID, movedRefunded)
	if err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, selectPlaces, append(ids, refunds...))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (claim evidence.Claim, err error) { //nolint:wrapcheck // As above.
		err = row.Scan(&claim.EventID, &claim.At.Topic, &claim.At.Partition, &claim.At.Offset)
		return claim, err //nolint:wrapcheck // The caller says what was read.
	})
}

func events(ctx context.Context, db postgres.Querier, sql string, arguments ...any) ([]uuid.UUID, error) {
	rows, err := db.Query(ctx, sql, arguments...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]) //nolint:wrapcheck // As above.
}

// inOrder sorts the claims by the times of their events, and gives the posting that counts: the last one.
func inOrder(ctx context.Context, log *eventlog.Lookup, claims []evidence.Claim) (deciding uuid.UUID, err error) {
	positions := make([]eventlog.Position, len(claims))
	for i := range claims {
		positions[i] = claims[i].At
	}
	posting := map[uuid.UUID]bool{}
	err = log.Each(ctx, positions, func(i int, record *eventlog.Record) error {
		if record != nil && record.Event != nil {
			claims[i].OccurredAt = record.Event.Time
			_, posting[record.Event.ID] = record.Event.Data.(*eventsv1.PaymentPosted)
		}
		return nil
	})
	slices.SortFunc(claims, func(a, b evidence.Claim) int {
		return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), bytes.Compare(a.EventID[:], b.EventID[:]))
	})
	for _, claim := range claims {
		if posting[claim.EventID] {
			deciding = claim.EventID
		}
	}
	return deciding, err
}

// adds is what an event does to the receipt: its amount and fee, or its refund. A posting that a later one replaces adds nothing.
func adds(r *Receipt, deciding uuid.UUID) func(*ledger.Event) []*big.Int {
	return func(event *ledger.Event) []*big.Int {
		if event.Ledger != r.Ledger || event.Subject != r.PaymentID {
			return nil
		}
		sum := evidence.NewSum(3) //nolint:mnd // As many as columns.
		switch data := event.Data.(type) {
		case *eventsv1.PaymentPosted:
			if event.ID == deciding {
				sum.Amounts[0], sum.Amounts[1] = ledger.MoneyAmount(data.GetAmount()).Big(), ledger.MoneyAmount(data.GetFee()).Big()
			}
		case *eventsv1.PaymentRefunded:
			if data.GetAmount().GetAssetCode() == r.AssetCode {
				sum.Amounts[2] = ledger.MoneyAmount(data.GetAmount()).Big()
			}
		default:
			return nil
		}
		return sum.Amounts
	}
}
