package ledgertest

import (
	"fmt"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// The limits that docs/events.md gives, stated here again so that the tests do not follow the code.
const (
	maxTextBytes      = 1024
	maxLongTextBytes  = 8192
	maxAccountIDBytes = 64
	maxRepeats        = 4
	maxLedgerBytes    = 40
	maxDrawnRunes     = 40
)

// widest is a rune of four bytes of UTF-8.
const widest = "𝄞"

func (d *drawer) string(name string, rule *eventsv1.Rule) string {
	switch rule.GetForm() {
	case eventsv1.Form_FORM_LONG_TEXT:
		return d.text(name, maxLongTextBytes)
	case eventsv1.Form_FORM_ACCOUNT_ID:
		return d.accountID(name)
	case eventsv1.Form_FORM_ACCOUNT:
		return d.account()
	case eventsv1.Form_FORM_DECIMAL:
		return d.decimal(name, rule.GetSigned())
	case eventsv1.Form_FORM_TIMESTAMP:
		return d.time().Format("2006-01-02T15:04:05.999999Z07:00")
	case eventsv1.Form_FORM_DIRECTION:
		return rapid.SampledFrom([]string{"debit", "credit"}).Draw(d.T, name)
	case eventsv1.Form_FORM_PAYMENT_TYPE:
		return rapid.SampledFrom([]string{"credit", "debit", "crypto", "wallet", "transfer"}).Draw(d.T, name)
	case eventsv1.Form_FORM_TIME_ZONE:
		return rapid.SampledFrom([]string{
			"UTC", "Asia/Kolkata", "America/Argentina/ComodRivadavia", "Pacific/Kiritimati", "Etc/GMT+12", "Australia/Lord_Howe",
		}).Draw(d.T, name)
	case eventsv1.Form_FORM_PAYMENT_POINTER:
		return d.pointer(name)
	default: // FORM_UNSPECIFIED; money draws the rest
		return d.text(name, maxTextBytes)
	}
}

// text draws text of 1 to limit bytes, of any runes but NUL.
func (d *drawer) text(name string, limit int) string {
	switch {
	case d.extreme:
		return rapid.SampledFrom([]string{
			strings.Repeat("\x01", limit), strings.Repeat(widest, limit/len(widest)), strings.Repeat("\\", limit), "\U0010ffff",
		}).Draw(d.T, name)
	case d.repeats:
		return rapid.SampledFrom([]string{"one", "two", "three"}).Draw(d.T, name)
	default:
		runes := rapid.Rune().Filter(func(r rune) bool { return r != 0 && utf8.ValidRune(r) })
		return rapid.StringOfN(runes, 1, maxDrawnRunes, limit).Draw(d.T, name)
	}
}

func (d *drawer) accountID(name string) string {
	switch {
	case d.extreme:
		ends := []string{".", "_", strings.Repeat("z", maxAccountIDBytes), strings.Repeat("-", maxAccountIDBytes)}
		return rapid.SampledFrom(ends).Draw(d.T, name)
	case d.repeats:
		return rapid.SampledFrom([]string{"acme", "Globex.1", "x_y"}).Draw(d.T, name)
	default:
		return rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`).Draw(d.T, name)
	}
}

func (d *drawer) account() string {
	kind := rapid.SampledFrom([]string{
		"provider", "chain", "interledger", "bank", "expense", "merchant", "site", "platform", "tax", "conversion", "equity",
	}).Draw(d.T, "kind")
	account := kind + ":" + d.accountID("account")
	if d.optional("leaf") {
		account += ":" + d.accountID("leaf")
	}
	return account
}

func (d *drawer) pointer(name string) string {
	if d.extreme {
		host := strings.Repeat("h", maxAccountIDBytes)
		return "https://" + host + "/" + strings.Repeat("p", maxTextBytes-len("https://")-len(host)-1)
	}
	return rapid.StringMatching(`(\$|https://)[a-zA-Z0-9]{1,20}(\.[a-z]{1,10}){0,3}(:[0-9]{2,4})?(/[a-z0-9~%]{0,12}){0,2}`).Draw(d.T, name)
}

func (d *drawer) decimal(name string, signed bool) string {
	sign := ""
	if signed && rapid.Bool().Draw(d.T, name+" negative") {
		sign = "-"
	}
	if d.extreme {
		return sign + strings.Repeat("9", ledger.MaxWholeDigits) + "." + strings.Repeat("9", ledger.AmountScale)
	}
	return sign + rapid.StringMatching(`[0-9]{1,20}(\.[0-9]{1,18})?`).Draw(d.T, name)
}

func (d *drawer) uint32(name string) uint32 {
	if d.extreme {
		return rapid.SampledFrom([]uint32{0, math.MaxUint32}).Draw(d.T, name)
	}
	return rapid.Uint32().Draw(d.T, name)
}

func (d *drawer) source() string {
	if d.extreme {
		return "urn:" + strings.Repeat("x", maxTextBytes-len("urn:"))
	}
	return rapid.SampledFrom([]string{"urn:example:shop", "https://shop.example/till?n=1#a", "/relative/%C3%A9"}).Draw(d.T, "source")
}

func (d *drawer) ledgerName() string {
	switch {
	case d.ledger != "":
		return d.ledger
	case d.extreme:
		return strings.Repeat("l", maxLedgerBytes)
	default:
		return rapid.SampledFrom([]string{ledger.DefaultLedger, "test", "tenant-7"}).Draw(d.T, "ledger")
	}
}

// limit is the first value that is too large at a scale: 10^20 whole units.
func limit(scale uint32) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(ledger.MaxWholeDigits+scale)), nil)
}

// money draws money of any size that is valid.
func (d *drawer) money(m *eventsv1.Money, signed bool) {
	scale := rapid.Uint32Range(0, ledger.AmountScale).Draw(d.T, "scale")
	m.AssetScale = new(scale)
	m.AssetCode = rapid.SampledFrom([]string{"GBP", "USD", "DASH", "X9", "ABCDEFGHIJ12"}).Draw(d.T, "asset")
	m.Value = d.value(limit(scale)).String()
	if signed && m.GetValue() != "0" && rapid.Bool().Draw(d.T, "negative") {
		m.Value = "-" + m.GetValue()
	}
}

// value draws an integer from 0 to below a bound above 0, the ends more often than others.
func (d *drawer) value(below *big.Int) *big.Int {
	last := new(big.Int).Sub(below, big.NewInt(1))
	ends := []*big.Int{new(big.Int), last}
	if d.extreme {
		return rapid.SampledFrom(ends).Draw(d.T, "value")
	}
	switch rapid.IntRange(0, 3).Draw(d.T, "size of value") {
	case 0:
		return rapid.SampledFrom(ends).Draw(d.T, "value")
	case 1:
		n := new(big.Int).SetUint64(rapid.Uint64().Draw(d.T, "high"))
		n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(rapid.Uint64().Draw(d.T, "low")))
		return n.Mod(n, below)
	default:
		n := big.NewInt(rapid.Int64Range(0, 1_000_000).Draw(d.T, "value"))
		return n.Mod(n, below)
	}
}

// part makes a fee, where there is one, a part of the amount.
func (d *drawer) part(amount, fee *eventsv1.Money) {
	if fee == nil {
		return
	}
	whole := integer(amount.GetValue())
	fee.AssetCode, fee.AssetScale = amount.GetAssetCode(), new(amount.GetAssetScale())
	fee.Value = d.value(whole.Add(whole, big.NewInt(1))).String()
}

// split makes amount and fee together as large as the amount was, so that their sum is no larger than allowed.
func (d *drawer) split(amount, fee *eventsv1.Money) {
	d.part(amount, fee)
	amount.Value = new(big.Int).Sub(integer(amount.GetValue()), integer(fee.GetValue())).String()
}

func integer(value string) *big.Int {
	n, ok := new(big.Int).SetString(value, 10)
	if !ok {
		panic(fmt.Sprintf("drew %q for an integer", value))
	}
	return n
}
