package receipts

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

// ErrNotFound says that the books have no such payment or receipt.
var ErrNotFound = postgres.ErrNotFound

// Payment is a row of books.payments. Amounts are decimals, times are in UTC, and what no event named is null.
type Payment struct {
	Ledger        string     `json:"ledger"`
	PaymentID     string     `json:"payment_id"`
	State         string     `json:"state"`
	MerchantID    *string    `json:"merchant_id"`
	UserID        *string    `json:"user_id"`
	Provider      *string    `json:"provider"`
	PaymentType   *string    `json:"payment_type"`
	AssetCode     *string    `json:"asset_code"`
	Amount        *string    `json:"amount"`
	Refunded      string     `json:"refunded"`
	Disputed      string     `json:"disputed"`
	ReceiptID     *string    `json:"receipt_id"`
	TransactionID *string    `json:"transaction_id"`
	StartedAt     *time.Time `json:"started_at"`
	PostedAt      *time.Time `json:"posted_at"`
	UpdatedAt     time.Time  `json:"updated_at"`
}

const paymentColumns = `ledger, payment_id, state, merchant_id, user_id, provider, payment_type, asset_code, amount::text,
	refunded::text, disputed::text, receipt_id, transaction_id, started_at, posted_at, updated_at`

// Receipt is a row of books.receipts.
type Receipt struct {
	Ledger      string  `json:"ledger"`
	ReceiptID   string  `json:"receipt_id"`
	PaymentID   string  `json:"payment_id"`
	UserID      string  `json:"user_id"`
	MerchantID  string  `json:"merchant_id"`
	Provider    string  `json:"provider"`
	PaymentType string  `json:"payment_type"`
	AssetCode   string  `json:"asset_code"`
	Amount      string  `json:"amount"`
	Fee         *string `json:"fee"`
	Refunded    string  `json:"refunded"`
	// Lines are what was bought, as in the event: [{sku, description, quantity, unit_price}].
	Lines     json.RawMessage `json:"lines"`
	IssuedAt  time.Time       `json:"issued_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	// Version counts the events that made the receipt: it changes whenever anything above does.
	Version int32 `json:"version"`
}

const receiptColumns = `ledger, receipt_id, payment_id, user_id, merchant_id, provider, payment_type, asset_code, amount::text,
	fee::text, refunded::text, lines, issued_at, updated_at, version`

// Refund is a row of books.refunds.
type Refund struct {
	Ledger      string    `json:"ledger"`
	RefundID    string    `json:"refund_id"`
	PaymentID   string    `json:"payment_id"`
	MerchantID  *string   `json:"merchant_id"`
	AssetCode   *string   `json:"asset_code"`
	Amount      *string   `json:"amount"`
	FeeReturned *string   `json:"fee_returned"`
	Reason      *string   `json:"reason"`
	State       string    `json:"state"`
	OccurredAt  time.Time `json:"occurred_at"`
}

const refundColumns = `ledger, refund_id, payment_id, merchant_id, asset_code, amount::text, fee_returned::text, reason, state,
	occurred_at`

// GetPayment gives a payment, or ErrNotFound.
func GetPayment(ctx context.Context, db postgres.Querier, ledger, paymentID string) (Payment, error) {
	return postgres.One[Payment](ctx, db, "the payment "+paymentID, `SELECT `+paymentColumns+`
		FROM books.payments WHERE ledger = $1 AND payment_id = $2`, ledger, paymentID)
}

// GetReceipt gives a receipt, or ErrNotFound. Where several payments have the same receipt_id it is the one issued last.
func GetReceipt(ctx context.Context, db postgres.Querier, ledger, receiptID string) (Receipt, error) {
	return postgres.One[Receipt](ctx, db, "the receipt "+receiptID, `SELECT `+receiptColumns+`
		FROM books.receipts WHERE ledger = $1 AND receipt_id = $2 ORDER BY issued_at DESC, payment_id DESC LIMIT 1`, ledger, receiptID)
}

// Sought is a receipt that is looked up, and what the caller has of it already, from another such read.
type Sought struct {
	Ledger, ReceiptID string
	// PaymentID, Version and Generation are those of what the caller has; zero where that is nothing.
	PaymentID           string
	Version, Generation int32
}

// Found is what there is of a receipt that was sought.
type Found struct {
	Receipt

	// Index is that of the Sought.
	Index int32
	// Generation is that of the tables that were read.
	Generation int32
	// Same is set where the caller has it as it is; then the lines are left out.
	Same bool
}

// FindReceipts gives those that there are, each as GetReceipt does. Many cost little more than one, and what the caller has
// already less than that: lines are most of a receipt.
func FindReceipts(ctx context.Context, db postgres.Querier, sought []Sought) ([]Found, error) {
	ledgers, ids, payments := make([]string, len(sought)), make([]string, len(sought)), make([]string, len(sought))
	versions, generations := make([]int32, len(sought)), make([]int32, len(sought))
	for i := range sought {
		s := &sought[i]
		ledgers[i], ids[i], payments[i], versions[i], generations[i] = s.Ledger, s.ReceiptID, s.PaymentID, s.Version, s.Generation
	}
	return postgres.List[Found](ctx, db, "receipts", `SELECT r.*, (k.n - 1)::int4, shown.generation, r.lines IS NULL
		FROM (SELECT tributary.shown('receipts') AS generation OFFSET 0) shown
		CROSS JOIN unnest($1::text[], $2::text[], $3::text[], $4::int4[], $5::int4[])
			WITH ORDINALITY k(ledger, receipt_id, payment_id, version, generation, n)
		CROSS JOIN LATERAL (
			SELECT ledger, receipt_id, payment_id, user_id, merchant_id, provider, payment_type, asset_code, amount::text, fee::text,
				refunded::text, CASE WHEN payment_id = k.payment_id AND version = k.version AND k.generation = shown.generation
					THEN NULL ELSE lines END AS lines,
				issued_at, updated_at, version
			FROM books.receipts WHERE ledger = k.ledger AND receipt_id = k.receipt_id ORDER BY issued_at DESC, payment_id DESC LIMIT 1
		) r`, ledgers, ids, payments, versions, generations)
}

// ListReceipts gives a user's receipts, the latest first, of these merchants where there are any; after goes on behind a page's
// last receipt (its IssuedAt and PaymentID).
func ListReceipts(
	ctx context.Context, db postgres.Querier, ledger, userID string, merchants []string, after *postgres.Cursor, limit int,
) ([]Receipt, error) {
	at, id := after.From()
	return postgres.List[Receipt](ctx, db, "the receipts of "+userID, `SELECT `+receiptColumns+`
		FROM books.receipts WHERE ledger = $1 AND user_id = $2 AND issued_at <= $3 AND (issued_at, payment_id) < ($3, $4)
		  AND (cardinality($6::text[]) = 0 OR merchant_id = ANY($6))
		ORDER BY issued_at DESC, payment_id DESC LIMIT $5`, ledger, userID, at, id, limit, append([]string{}, merchants...))
}

// ListPayments gives a merchant's posted payments, the latest first; after goes on behind a page's last payment (its
// PostedAt and PaymentID).
func ListPayments(
	ctx context.Context, db postgres.Querier, ledger, merchantID string, after *postgres.Cursor, limit int,
) ([]Payment, error) {
	at, id := after.From()
	return postgres.List[Payment](ctx, db, "the payments of "+merchantID, `SELECT `+paymentColumns+`
		FROM books.payments WHERE ledger = $1 AND merchant_id = $2 AND posted_at <= $3 AND (posted_at, payment_id) < ($3, $4)
		ORDER BY posted_at DESC, payment_id DESC LIMIT $5`, ledger, merchantID, at, id, limit)
}

// ListRefunds gives a payment's refunds, the earliest first; at most 1,000.
func ListRefunds(ctx context.Context, db postgres.Querier, ledger, paymentID string) ([]Refund, error) {
	return postgres.List[Refund](ctx, db, "the refunds of "+paymentID, `SELECT `+refundColumns+`
		FROM books.refunds WHERE ledger = $1 AND payment_id = $2 ORDER BY occurred_at, refund_id LIMIT 1000`, ledger, paymentID)
}

// SameTransaction are the payments that a transaction of a provider was posted for, by id: more than one where it was
// reported under several.
func SameTransaction(ctx context.Context, db postgres.Querier, ledger, provider, transactionID string) ([]string, error) {
	rows, err := db.Query(ctx, `SELECT DISTINCT payment_id FROM receipts.movements
		WHERE kind = 1 AND ledger = $1 AND provider = $2 AND reference = $3
		  AND generation = (SELECT tributary.shown('receipts')) ORDER BY payment_id`,
		ledger, provider, transactionID)
	if err != nil {
		return nil, fmt.Errorf("list the payments of transaction %s: %w", transactionID, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the payments of transaction %s: %w", transactionID, err)
	}
	return all, nil
}
