package ledger

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// The limits of text, in bytes.
const (
	maxTextBytes     = 1024
	maxLongTextBytes = 8 << 10
)

func formLimit(form eventsv1.Form) int {
	if form == eventsv1.Form_FORM_LONG_TEXT {
		return maxLongTextBytes
	}
	return maxTextBytes
}

// hasForm reports whether a text that is not empty, and not too long, has its field's form.
func (f *field) hasForm(text []byte) bool {
	s := unsafe.String(unsafe.SliceData(text), len(text)) // not kept
	switch f.form {
	case eventsv1.Form_FORM_UNSPECIFIED, eventsv1.Form_FORM_LONG_TEXT:
		return isText(text)
	case eventsv1.Form_FORM_ACCOUNT_ID:
		return isAccountID(s)
	case eventsv1.Form_FORM_ACCOUNT:
		_, ok := ParseAccount(s)
		return ok
	case eventsv1.Form_FORM_DECIMAL:
		return isDecimal(s, f.signed)
	case eventsv1.Form_FORM_TIMESTAMP:
		_, err := ParseTime(s)
		return err == nil
	case eventsv1.Form_FORM_DIRECTION:
		return s == "debit" || s == "credit"
	case eventsv1.Form_FORM_PAYMENT_TYPE:
		return isPaymentType(s)
	case eventsv1.Form_FORM_TIME_ZONE:
		return IsTimeZone(s)
	case eventsv1.Form_FORM_PAYMENT_POINTER:
		_, ok := PointerHost(s)
		return ok && isText(text)
	case eventsv1.Form_FORM_ASSET_CODE:
		return isAssetCode(s)
	case eventsv1.Form_FORM_INTEGER:
		return true // ParseAmount reads it together with its scale
	default:
		return false
	}
}

// expectation says, for people, what hasForm asks for.
func (f *field) expectation() string {
	switch f.form {
	case eventsv1.Form_FORM_ACCOUNT_ID:
		return "an id of 1 to 64 characters A-Z a-z 0-9 . _ -"
	case eventsv1.Form_FORM_ACCOUNT:
		return "an account such as merchant:acme:payable, whose first segment is one of " + accountKinds
	case eventsv1.Form_FORM_DECIMAL:
		if f.signed {
			return `a decimal number in a string, such as "-2.5", of up to 20 digits and 18 decimals`
		}
		return `a decimal number in a string, such as "2.5", not negative, of up to 20 digits and 18 decimals`
	case eventsv1.Form_FORM_TIMESTAMP:
		return "an RFC 3339 time from 1970 to 2105, such as 2026-01-31T09:30:00Z"
	case eventsv1.Form_FORM_DIRECTION:
		return "debit or credit"
	case eventsv1.Form_FORM_PAYMENT_TYPE:
		return "one of credit, debit, crypto, wallet, transfer"
	case eventsv1.Form_FORM_TIME_ZONE:
		return "an IANA time zone such as Europe/Paris"
	case eventsv1.Form_FORM_PAYMENT_POINTER:
		return "a payment pointer such as $wallet.example/alice, whose host has at most 64 characters"
	case eventsv1.Form_FORM_ASSET_CODE:
		return "an asset code of 2 to 12 characters A-Z 0-9 that begins with a letter, such as GBP"
	case eventsv1.Form_FORM_INTEGER:
		return `an integer in a string, such as "139120"`
	default: // FORM_UNSPECIFIED, FORM_LONG_TEXT
		return "text in valid UTF-8 without NUL"
	}
}

// isText reports whether both stores take the bytes as text.
func isText(b []byte) bool { return bytes.IndexByte(b, 0) < 0 && utf8.Valid(b) }

func isPaymentType(s string) bool {
	switch s {
	case "credit", "debit", "crypto", "wallet", "transfer":
		return true
	default:
		return false
	}
}

const maxAssetCodeBytes = 12

func isAssetCode(s string) bool {
	if len(s) < 2 || len(s) > maxAssetCodeBytes || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// isDecimal reports whether s is digits, at most MaxWholeDigits, with an optional point and at most AmountScale digits.
func isDecimal(s string, signed bool) bool {
	if signed && s != "" && s[0] == '-' {
		s = s[1:]
	}
	whole := countDigits(s)
	if whole == 0 || whole > MaxWholeDigits {
		return false
	}
	if whole == len(s) {
		return true
	}
	decimals := countDigits(s[whole+1:])
	return s[whole] == '.' && decimals > 0 && decimals <= AmountScale && whole+1+decimals == len(s)
}

func countDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
