package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// summary is what an event says, for people: its amount, empty where it names none, and who and what. Personal fields (email
// addresses, names) are left out.
func summary(e *ledger.Event) (amount, told string) {
	if d, ok := e.Data.(interface{ GetAmount() *eventsv1.Money }); ok {
		amount = moneyText(d.GetAmount())
	}
	switch d := e.Data.(type) {
	case *eventsv1.PaymentStarted:
		return amount, sentence(between(d), d.GetPaymentType(), colon(d.GetDescription()))
	case *eventsv1.PaymentPrepared:
		return amount, sentence(d.GetProvider()+" "+d.GetProviderToken(), after("until ", d.GetExpiresAt()))
	case *eventsv1.PaymentPostRequested:
		return amount, sentence(d.GetTransactionId())
	case *eventsv1.PaymentPosted:
		return amount, sentence(between(d), d.GetPaymentType(), feeText(d.GetFee(), "fee "), d.GetTransactionId(),
			several(len(d.GetLines()), "line"))
	case *eventsv1.PaymentFailed:
		return amount, sentence(d.GetReasonCode()+" at "+d.GetProvider(), colon(d.GetMessage()))
	case *eventsv1.PaymentCancelled:
		return amount, sentence(d.GetReason())
	default:
		return cmp.Or(amount, journalAmount(e.Data)), summaryAfter(e.Data)
	}
}

// summaryAfter is of what follows a payment, and of the books.
func summaryAfter(data ledger.Data) string {
	switch d := data.(type) {
	case *eventsv1.PaymentRefundRequested:
		return sentence(d.GetRefundId(), colon(d.GetReason()))
	case *eventsv1.PaymentRefunded:
		return sentence(d.GetRefundId(), between(d), feeText(d.GetFeeReturned(), "fee returned "), d.GetTransactionId(), colon(d.GetReason()))
	case *eventsv1.PaymentRefundFailed:
		return sentence(d.GetRefundId(), d.GetReasonCode(), colon(d.GetMessage()))
	case *eventsv1.PaymentDisputeOpened:
		return sentence(d.GetDisputeId(), between(d), colon(d.GetReason()))
	case *eventsv1.PaymentDisputeWon:
		return sentence(d.GetDisputeId(), between(d), colon(d.GetReason()))
	case *eventsv1.PaymentDisputeLost:
		return sentence(d.GetDisputeId(), between(d), colon(d.GetReason()))
	case *eventsv1.SettlementReceived:
		return sentence(d.GetProvider()+" to bank "+d.GetBank(), feeText(d.GetProviderFee(), "provider's fee "))
	case *eventsv1.PayoutSent:
		return sentence("bank "+d.GetBank()+" to "+d.GetMerchantId(), d.GetDestination())
	case *eventsv1.PayoutReturned:
		return sentence(d.GetMerchantId()+" to bank "+d.GetBank(), d.GetDestination(), colon(d.GetReason()))
	case *eventsv1.JournalPosted:
		return sentence(d.GetDescription(), several(len(d.GetEntries()), "entry"))
	default:
		return summaryOfChain(data)
	}
}

// chainPayment is what the three events of a payment to a receiver have in common.
type chainPayment interface {
	GetMerchantId() string
	GetChain() string
	GetTxid() string
	GetVout() uint32
	GetInstantLocked() bool
}

func summaryOfChain(data ledger.Data) string {
	output := func(d chainPayment) string {
		return d.GetChain() + " to " + d.GetMerchantId() + ", " + shortHash(d.GetTxid()) + ":" + strconv.FormatUint(uint64(d.GetVout()), 10)
	}
	switch d := data.(type) {
	case *eventsv1.ReceiverCreated:
		return sentence(d.GetChain()+" to "+d.GetMerchantId(), after("for ", moneyText(d.GetAmountFiat())), after("until ", d.GetExpiresAt()),
			colon(d.GetDescription()))
	case *eventsv1.ReceiverPaymentDetected:
		return sentence(output(d), said(d.GetInstantLocked(), "instantly locked"))
	case *eventsv1.ReceiverPaymentConfirmed:
		return sentence(output(d), several(int(d.GetConfirmations()), "confirmation"))
	case *eventsv1.ReceiverPaymentReversed:
		return sentence(output(d), said(d.GetWasConfirmed(), "had been confirmed"), colon(d.GetReason()))
	case *eventsv1.ReceiverExpired:
		return sentence(d.GetMerchantId())
	case *eventsv1.ReceiverCallbackDelivered:
		return callbackText(d)
	case *eventsv1.ReceiverCallbackFailed:
		return callbackText(d)
	case *eventsv1.SiteRegistered:
		return sentence(d.GetSiteUrl(), d.GetPaymentPointer(), d.GetTimeZone())
	case *eventsv1.PostPublished:
		return sentence("post "+d.GetPostId()+" “"+d.GetTitle()+"”", d.GetCategory(), d.GetUrl())
	case *eventsv1.MonetizationReceived:
		return sentence(d.GetPaymentPointer(), after("post ", d.GetPostId()), after("session ", d.GetSessionId()))
	default:
		return ""
	}
}

func callbackText(d interface {
	GetAttempt() uint32
	GetCallbackUrl() string
	GetStatusCode() uint32
	GetError() string
},
) string {
	return sentence(fmt.Sprintf("attempt %d", d.GetAttempt()), d.GetCallbackUrl(),
		said(d.GetStatusCode() > 0, fmt.Sprintf("status %d", d.GetStatusCode())), colon(d.GetError()))
}

// between is who pays whom and by whom, of what an event names.
func between(d any) string {
	var words []string
	if d, ok := d.(interface{ GetUserId() string }); ok && d.GetUserId() != "" {
		words = append(words, d.GetUserId(), "to")
	}
	if d, ok := d.(interface{ GetMerchantId() string }); ok && d.GetMerchantId() != "" {
		words = append(words, d.GetMerchantId())
	}
	if d, ok := d.(interface{ GetProvider() string }); ok && d.GetProvider() != "" {
		words = append(words, "by", d.GetProvider())
	}
	return strings.Join(words, " ")
}

// moneyText is an amount in whole units with its asset: 49.90 EUR. It is empty where there is none.
func moneyText(m *eventsv1.Money) string {
	if m == nil {
		return ""
	}
	if value, negative := strings.CutPrefix(m.GetValue(), "-"); negative { // a line's alone
		amount, err := ledger.ParseAmount(value, m.GetAssetScale())
		if err != nil {
			return ""
		}
		return "-" + amountText(m.GetAssetCode(), amount.String())
	}
	return amountText(m.GetAssetCode(), ledger.MoneyAmount(m).String())
}

// amountText writes a decimal with the digits that are usual for its asset.
func amountText(asset, decimal string) string {
	figures := newFigures()
	figures.see(asset, decimal)
	return figures.show(asset, decimal) + " " + asset
}

// journalAmount is what a journal moves in its first asset, and that there are others.
func journalAmount(data ledger.Data) string {
	journal, ok := data.(*eventsv1.JournalPosted)
	if !ok {
		return ""
	}
	var sum ledger.Sum
	asset, more := "", ""
	for _, entry := range journal.GetEntries() {
		switch m := entry.GetAmount(); {
		case entry.GetDirection() != ledger.Debit.String():
		case asset == "" || asset == m.GetAssetCode():
			asset = m.GetAssetCode()
			sum.Add(ledger.MoneyAmount(m))
		default:
			more = " …"
		}
	}
	if asset == "" {
		return ""
	}
	return amountText(asset, sum.String()) + more
}

// feeText is a fee, which has the asset of the amount beside it, where there is one.
func feeText(fee *eventsv1.Money, name string) string {
	decimal, _, _ := strings.Cut(moneyText(fee), " ")
	return after(name, decimal)
}

// sentence joins what there is with commas; what begins with a colon stands close.
func sentence(parts ...string) string {
	var out strings.Builder
	for _, part := range parts {
		switch {
		case part == "":
			continue
		case out.Len() == 0:
			part = strings.TrimPrefix(part, ": ")
		case !strings.HasPrefix(part, ": "):
			out.WriteString(", ")
		}
		out.WriteString(part)
	}
	return out.String()
}

// after sets a word before what is there.
func after(word, what string) string {
	if what == "" {
		return ""
	}
	return word + what
}

// colon sets off what a person wrote.
func colon(words string) string { return after(": ", words) }

func said(is bool, words string) string {
	if is {
		return words
	}
	return ""
}

// several is a number of things: 1 line, 3 lines, 2 entries.
func several(n int, thing string) string {
	switch {
	case n == 0:
		return ""
	case n == 1:
		return "1 " + thing
	case strings.HasSuffix(thing, "y"):
		return strconv.Itoa(n) + " " + strings.TrimSuffix(thing, "y") + "ies"
	default:
		return strconv.Itoa(n) + " " + thing + "s"
	}
}

// shortHash is enough of a transaction's hash to tell it from others.
func shortHash(hash string) string {
	const most = 10
	if len(hash) <= most {
		return hash
	}
	return hash[:most] + "…"
}
