package providers

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Provider takes and returns money. Every call carries a key: the same key again, at any time, from any process, is the same
// operation, done once. Where a provider knows no such keys, or forgets them after hours, its adapter finds the operation by its
// payment before it does it again.
//
// Answers are facts of the provider's own books: Confirm, Refund, Lookup and a webhook say of one operation the same
// transaction, amount, reason and message, to the byte, for they become events under one id.
type Provider interface {
	// Create opens a payment: the customer can pay from now on.
	Create(ctx context.Context, intent Intent) (Prepared, error)
	// Confirm takes the money, or finds out that the customer has paid.
	Confirm(ctx context.Context, charge Charge) (Outcome, error)
	// Refund gives money back.
	Refund(ctx context.Context, refund Refund) (Outcome, error)
	// Lookup tells what became of a charge or refund without doing it.
	Lookup(ctx context.Context, operation Operation) (Outcome, error)
	// ParseWebhook checks who sent a webhook and reads it: nothing for one that is of no interest, ErrSignature for one that is not
	// the provider's.
	ParseWebhook(header http.Header, body []byte) ([]Notice, error)
}

// ErrSignature means that a webhook is not signed by the provider.
var ErrSignature = errors.New("the webhook's signature is not the provider's")

// Payment names one payment of ours, and is what a provider stores with it (metadata, custom_id, orderId).
type Payment struct {
	Ledger    string `json:"ledger"`
	PaymentID string `json:"payment_id"`
}

// Kind is what is done with a payment.
type Kind string

// The operations.
const (
	KindCreate Kind = "create"
	KindCharge Kind = "charge"
	KindRefund Kind = "refund"
)

// Operation is one thing done with a payment at its provider.
type Operation struct {
	Payment

	Kind Kind `json:"kind"`
	// RefundID is set for a refund.
	RefundID string `json:"refund_id,omitempty"`
	// Token is what Create answered; empty for Create itself.
	Token string `json:"token,omitempty"`
}

// Key is the operation's idempotency key. It follows from the payment alone, so that a repeat of a call, another gateway and the
// recovery after a crash use the same. It is short, because providers take no long ones.
func (o Operation) Key() string {
	const separator = "\x00" // no id has it
	whole := strings.Join([]string{o.Ledger, o.PaymentID, string(o.Kind), o.RefundID}, separator)
	return string(o.Kind) + "-" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(whole)).String()
}

// Intent is a payment to open.
type Intent struct {
	Payment

	Amount      *eventsv1.Money
	PaymentType string
	Email       string
	Description string
}

// Operation names it.
func (i Intent) Operation() Operation { return Operation{Payment: i.Payment, Kind: KindCreate} }

// Prepared is an opened payment.
type Prepared struct {
	// Token is the provider's name of it: a PaymentIntent, an order, a charge, an invoice.
	Token string `json:"token"`
	// ExpiresAt is until when it can be paid; zero where the provider does not say.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// ClientSecret, RedirectURL and Address are what the customer needs: for a form on the merchant's page, to be sent to the
	// provider's, or to pay from a wallet.
	ClientSecret string `json:"client_secret,omitempty"`
	RedirectURL  string `json:"redirect_url,omitempty"`
	Address      string `json:"address,omitempty"`
	// Declined is set where the provider opens no such payment; then Token is empty.
	Declined *Declined `json:"declined,omitempty"`
}

// Charge is money to take.
type Charge struct {
	Payment

	Token string
	// TransactionID is the movement's name as the caller knows it.
	TransactionID string
	Amount        *eventsv1.Money
}

// Operation names it.
func (c Charge) Operation() Operation {
	return Operation{Payment: c.Payment, Kind: KindCharge, Token: c.Token}
}

// Refund is money to give back, in whole or part.
type Refund struct {
	Payment

	Token string
	// TransactionID is that of the charge, as its Outcome said it.
	TransactionID string
	RefundID      string
	Amount        *eventsv1.Money
	Reason        string
}

// Operation names it.
func (r Refund) Operation() Operation {
	return Operation{Payment: r.Payment, Kind: KindRefund, RefundID: r.RefundID, Token: r.Token}
}

// State is what became of an operation.
type State string

// The states. Done and declined are final.
const (
	// StateAbsent: the provider has never heard of it.
	StateAbsent State = "absent"
	// StatePending: a later answer, or a webhook, will tell.
	StatePending State = "pending"
	// StateDone: the money moved.
	StateDone State = "done"
	// StateDeclined: it did not, and will not.
	StateDeclined State = "declined"
)

// Final tells whether nothing more is to come.
func (s State) Final() bool { return s == StateDone || s == StateDeclined }

// Outcome is what a provider says of a charge or refund.
type Outcome struct {
	State State `json:"state"`
	// TransactionID and Amount are of what moved, when done.
	TransactionID string          `json:"transaction_id,omitempty"`
	Amount        *eventsv1.Money `json:"amount,omitempty"`
	// Declined says why not, when declined.
	Declined *Declined `json:"declined,omitempty"`
}

// Declined is a provider's refusal.
type Declined struct {
	// Reason is for programs: "card_declined".
	Reason string `json:"reason"`
	// Message is for people.
	Message string `json:"message,omitempty"`
}

// Notice is what a webhook tells.
type Notice struct {
	Operation Operation `json:"operation"`
	Outcome   Outcome   `json:"outcome"`
}
