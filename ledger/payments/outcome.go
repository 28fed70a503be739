package payments

import (
	"cmp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// namespace is of the ids of outcomes. It must never change: the recovery would write other events than the gateway did.
//
//nolint:gochecknoglobals // a constant that the language has no constants for
var namespace = uuid.MustParse("0c7d5a52-9e0b-5f5e-8a53-3c1c7f0f2b11")

// What outcomes are of, in their ids.
const (
	purposePrepared     = "prepared"
	purposePosted       = "posted"
	purposeDeclined     = "declined"
	purposeRefunded     = "refunded"
	purposeRefundFailed = "refund_failed"
)

// outcomeID is the id of an outcome's event. It follows from the payment, and from nobody who writes it.
func (p *Payment) outcomeID(words ...string) uuid.UUID {
	const separator = "\x00" // no id has it
	whole := strings.Join(append([]string{p.Ledger, p.ID}, words...), separator)
	return uuid.NewSHA1(namespace, []byte(whole))
}

// What an outcome says follows from the intents and from what the provider keeps of the operation, so that whoever writes it writes the
// same. Its time and source are no part of what it says.

func (p *Payment) prepared(answer providers.Prepared) (uuid.UUID, ledger.Data) {
	if answer.Declined != nil {
		return p.declined(answer.Declined)
	}
	data := &eventsv1.PaymentPrepared{PaymentId: p.ID, Provider: p.Provider(), ProviderToken: answer.Token}
	if !answer.ExpiresAt.IsZero() {
		data.ExpiresAt = answer.ExpiresAt.UTC().Format(time.RFC3339)
	}
	return p.outcomeID(purposePrepared), data
}

func (p *Payment) declined(why *providers.Declined) (uuid.UUID, ledger.Data) {
	why = reason(why)
	return p.outcomeID(purposeDeclined), &eventsv1.PaymentFailed{
		PaymentId: p.ID, Provider: p.Provider(), ReasonCode: why.Reason, Message: why.Message, MerchantId: p.Started.GetMerchantId(),
	}
}

// posted says what the provider took. The fee was decided when the payment was started.
func (p *Payment) posted(outcome providers.Outcome) (uuid.UUID, ledger.Data) {
	s := p.Started
	data := &eventsv1.PaymentPosted{
		PaymentId: p.ID, TransactionId: cmp.Or(outcome.TransactionID, p.Charge.GetTransactionId()), UserId: s.GetUserId(), Email: s.GetEmail(),
		PaymentType: s.GetPaymentType(), Provider: s.GetProvider(), MerchantId: s.GetMerchantId(),
		Amount: canonical(outcome.Amount, s.GetAmount()), Fee: s.GetFee(),
	}
	if s.GetFee() != nil && ledger.MoneyAmount(s.GetFee()).Cmp(ledger.MoneyAmount(data.GetAmount())) > 0 {
		data.Fee = data.GetAmount() // the customer paid less than the fee
	}
	return p.outcomeID(purposePosted), data
}

func (p *Payment) refundedOf(r *Refund, outcome providers.Outcome) (uuid.UUID, ledger.Data) {
	posted := p.Posted
	amount := canonical(outcome.Amount, r.Requested.GetAmount())
	data := &eventsv1.PaymentRefunded{
		PaymentId: p.ID, RefundId: r.ID, TransactionId: cmp.Or(outcome.TransactionID, posted.GetTransactionId()),
		Provider: posted.GetProvider(), MerchantId: posted.GetMerchantId(), Amount: amount, Reason: r.Requested.GetReason(),
		UserId: posted.GetUserId(), PaymentType: posted.GetPaymentType(),
	}
	if posted.GetFee() != nil {
		data.FeeReturned = part(posted.GetFee(), ledger.MoneyAmount(amount).Big(), ledger.MoneyAmount(posted.GetAmount()).Big())
	}
	return p.outcomeID(purposeRefunded, r.ID), data
}

func (p *Payment) refundDeclined(r *Refund, why *providers.Declined) (uuid.UUID, ledger.Data) {
	why = reason(why)
	return p.outcomeID(purposeRefundFailed, r.ID), &eventsv1.PaymentRefundFailed{
		PaymentId: p.ID, RefundId: r.ID, ReasonCode: why.Reason, Message: why.Message,
	}
}

// reason is a provider's, or says that it gave none.
func reason(why *providers.Declined) *providers.Declined {
	if why == nil || why.Reason == "" {
		return &providers.Declined{Reason: "declined"}
	}
	return why
}

// canonical is the provider's amount, in the intent's words where it is the same.
func canonical(said, asked *eventsv1.Money) *eventsv1.Money {
	if said == nil || sameMoney(said, asked) {
		return asked
	}
	return said
}
