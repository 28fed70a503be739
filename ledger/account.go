package ledger

import "strings"

// Account is a place where amounts add up, of two or three segments: merchant:acme:payable. It is comparable, and made
// without joining the segments, because the hot path makes several an event.
type Account struct {
	Kind, Name, Leaf string
}

// ParseAccount splits segment:segment[:segment] and checks it: a known kind, and segments of [A-Za-z0-9._-]{1,64}.
func ParseAccount(s string) (Account, bool) {
	kind, rest, ok := strings.Cut(s, ":")
	name, leaf, three := strings.Cut(rest, ":")
	a := Account{kind, name, leaf}
	if !ok || !knownKind(kind) || !isAccountID(name) || (three && !isAccountID(leaf)) {
		return Account{}, false
	}
	return a, true
}

// String joins the segments.
func (a Account) String() string {
	if a.Leaf == "" {
		return a.Kind + ":" + a.Name
	}
	return a.Kind + ":" + a.Name + ":" + a.Leaf
}

// DebitNormal tells on which side the account's balance is positive: debits for what the platform has, credits for
// what it owes or earned.
func (a Account) DebitNormal() bool {
	switch a.Kind {
	case "provider", "chain", "interledger", "bank", "expense":
		return true
	default:
		return false
	}
}

// accountKinds is what knownKind knows, for people.
const accountKinds = "provider, chain, interledger, bank, expense, merchant, site, platform, tax, conversion, equity"

func knownKind(kind string) bool {
	switch kind {
	case "provider", "chain", "interledger", "bank", "expense",
		"merchant", "site", "platform", "tax", "conversion", "equity":
		return true
	default:
		return false
	}
}

const maxAccountIDBytes = 64

func isAccountID(s string) bool {
	if s == "" || len(s) > maxAccountIDBytes {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
