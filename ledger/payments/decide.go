package payments

import (
	"fmt"
	"math/big"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Code is why something may not be done with a payment, for programs.
type Code string

// The codes.
const (
	// CodeUnknown: there is no such payment, or it is not the caller's.
	CodeUnknown Code = "not_found"
	// CodeExists: another request did it before.
	CodeExists Code = "conflict"
	// CodeState: its state does not allow it.
	CodeState Code = "wrong_state"
	// CodeAmount: the amount is not the payment's.
	CodeAmount Code = "wrong_amount"
	// CodeOverRefund: more would be refunded than was posted.
	CodeOverRefund Code = "over_refund"
	// CodeKeyReused: the same request came before, and said something else.
	CodeKeyReused Code = "key_reused"
	// CodeProvider: the payment's provider is not configured here.
	CodeProvider Code = "unknown_provider"
)

// Refusal is why something may not be done with a payment. It is an error.
//
//nolint:errname // it is the domain's word for a decision, and reads as one
type Refusal struct {
	Code   Code
	Detail string
}

// Error is why.
func (r *Refusal) Error() string { return r.Detail }

func refusal(code Code, format string, words ...any) *Refusal {
	return &Refusal{code, fmt.Sprintf(format, words...)}
}

// mayPost is nil where the payment may be charged now.
func (p *Payment) mayPost(data *eventsv1.PaymentPostRequested) *Refusal {
	switch {
	case p.Started == nil:
		return refusal(CodeUnknown, "there is no payment %s", p.ID)
	case p.Posted != nil:
		return refusal(CodeExists, "payment %s is %s already", p.ID, p.State())
	case p.Failed != nil || p.Cancelled:
		return refusal(CodeState, "payment %s is %s; start another", p.ID, p.State())
	case p.Charge != nil:
		return refusal(CodeExists, "payment %s is being charged by another request", p.ID)
	case !sameMoney(data.GetAmount(), p.Started.GetAmount()):
		return refusal(CodeAmount, "payment %s was started with %s, not %s", p.ID, shown(p.Started.GetAmount()), shown(data.GetAmount()))
	default:
		return nil
	}
}

// mayFail is nil where the payment may be given up now.
func (p *Payment) mayFail() *Refusal {
	switch {
	case p.Posted != nil:
		return refusal(CodeState, "payment %s is %s; refund it", p.ID, p.State())
	case p.Failed != nil || p.Cancelled:
		return refusal(CodeExists, "payment %s is %s", p.ID, p.State())
	case p.Charge != nil:
		return refusal(CodeState, "payment %s is being charged; its provider will say what becomes of it", p.ID)
	default:
		return nil
	}
}

// mayRefund is nil where so much may be refunded now: where it is not more than what was posted less what was refunded, is being
// refunded, or is disputed and not won.
func (p *Payment) mayRefund(amount *eventsv1.Money) *Refusal {
	switch {
	case p.Posted == nil:
		return refusal(CodeState, "payment %s is %s: nothing was posted that could be refunded", p.ID, p.State())
	case amount.GetAssetCode() != p.Posted.GetAmount().GetAssetCode():
		return refusal(CodeAmount, "payment %s is in %s, not in %s", p.ID, p.Posted.GetAmount().GetAssetCode(), amount.GetAssetCode())
	case ledger.MoneyAmount(amount).IsZero():
		return refusal(CodeOverRefund, "nothing of payment %s is left to refund, or nothing was asked for", p.ID)
	}
	if left := p.left(); ledger.MoneyAmount(amount).Big().Cmp(left) > 0 {
		return refusal(CodeOverRefund, "of payment %s %s %s can be refunded, not %s", p.ID,
			ledger.FormatUnits(left), amount.GetAssetCode(), shown(amount))
	}
	return nil
}

// left is how much can be refunded, in units of 10^-18; negative where others refunded more than was posted.
func (p *Payment) left() *big.Int {
	left := ledger.MoneyAmount(p.Posted.GetAmount()).Big()
	for _, r := range p.Refunds {
		left.Sub(left, r.taken().Big())
	}
	for _, d := range p.disputes {
		if !d.won {
			left.Sub(left, d.amount.Big())
		}
	}
	return left
}

// Rest is all that can be refunded, as money of the posted amount's scale.
func (p *Payment) Rest() *eventsv1.Money {
	posted := p.Posted.GetAmount()
	scale := posted.GetAssetScale()
	left := p.left()
	if left.Sign() < 0 {
		left.SetInt64(0)
	}
	for _, r := range p.Refunds { // one with finer units leaves a rest with finer units
		scale = max(scale, r.Requested.GetAmount().GetAssetScale(), r.Done.GetAmount().GetAssetScale())
	}
	value := left.Quo(left, powerOfTen(decimals-scale))
	return &eventsv1.Money{Value: value.String(), AssetCode: posted.GetAssetCode(), AssetScale: &scale}
}

// decimals are those of an amount in units.
const decimals = 18

func powerOfTen(exponent uint32) *big.Int {
	const ten = 10
	return new(big.Int).Exp(big.NewInt(ten), big.NewInt(int64(exponent)), nil)
}

// part is floor(money × of ÷ whole), at money's scale. Nil for nothing.
func part(money *eventsv1.Money, of, whole *big.Int) *eventsv1.Money {
	const decimal = 10
	value, ok := new(big.Int).SetString(money.GetValue(), decimal)
	if !ok || whole.Sign() == 0 {
		return nil
	}
	value.Quo(value.Mul(value, of), whole)
	if value.Sign() == 0 {
		return nil
	}
	scale := money.GetAssetScale()
	return &eventsv1.Money{Value: value.String(), AssetCode: money.GetAssetCode(), AssetScale: &scale}
}

// sameMoney tells whether two amounts are one, whatever their scales.
func sameMoney(a, b *eventsv1.Money) bool {
	return a.GetAssetCode() == b.GetAssetCode() && ledger.MoneyAmount(a) == ledger.MoneyAmount(b)
}

func shown(m *eventsv1.Money) string {
	return ledger.MoneyAmount(m).String() + " " + m.GetAssetCode()
}
