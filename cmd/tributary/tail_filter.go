package main

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// tailFilter says which records are wanted: those that pass each list that is not empty.
type tailFilter struct {
	types, subjects, accounts, ledgers, sources, ids []string
}

// prepare checks the lists, so that nobody waits for what cannot come.
func (f *tailFilter) prepare() error {
	known := make([]string, 0, len(ledger.Types()))
	for _, info := range ledger.Types() {
		known = append(known, shortType(string(info.Type)))
	}
	for i, pattern := range f.types {
		short := shortType(pattern)
		if !slices.ContainsFunc(known, func(name string) bool { return like(short, name) }) && !strings.Contains(pattern, "*") {
			return usagef("--type %q is no type of event%s", pattern, didYouMean(short, known))
		}
		f.types[i] = short
	}
	for i, id := range f.ids {
		if parsed, err := uuid.Parse(id); err == nil {
			f.ids[i] = parsed.String()
		}
	}
	for i, account := range f.accounts {
		if strings.HasSuffix(account, ":") {
			f.accounts[i] += "*"
		} else if _, ok := ledger.ParseAccount(account); !ok && !strings.Contains(account, "*") {
			return usagef("--account %q is no account: want a name such as merchant:acme:payable, or a beginning such as merchant:acme:", account)
		}
	}
	return nil
}

// matches may be called by many goroutines at once.
func (f *tailFilter) matches(record *eventlog.Record) bool {
	if event := record.Event; event != nil {
		return wanted(f.types, func() string { return shortType(string(event.Type)) }) && wantedText(f.subjects, event.Subject) &&
			wantedText(f.ledgers, event.Ledger) && wantedText(f.sources, event.Source) &&
			wanted(f.ids, event.ID.String) && f.posts(event)
	}
	if len(f.accounts) > 0 {
		return false
	}
	if len(f.types)+len(f.subjects)+len(f.ledgers)+len(f.sources)+len(f.ids) == 0 {
		return true
	}
	claims := record.Rejected.Claims()
	if claims.Subject == "" {
		claims.Subject = string(record.Rejected.Key)
	}
	if claims.Ledger == "" {
		claims.Ledger = ledger.DefaultLedger
	}
	return wantedText(f.types, shortType(claims.Type)) && wantedText(f.subjects, claims.Subject) && wantedText(f.ledgers, claims.Ledger) &&
		wantedText(f.sources, claims.Source) && wantedText(f.ids, claims.ID)
}

// posts tells whether the event touches one of the accounts.
func (f *tailFilter) posts(event *ledger.Event) bool {
	if len(f.accounts) == 0 {
		return true
	}
	const usual = 8
	var room [usual]ledger.Posting
	for _, posting := range ledger.Postings(room[:0], event) {
		if wantedText(f.accounts, posting.Account.String()) {
			return true
		}
	}
	return false
}

func wantedText(patterns []string, text string) bool {
	return wanted(patterns, func() string { return text })
}

// wanted tells whether a text is like one of the patterns; without any, all is wanted.
func wanted(patterns []string, text func() string) bool {
	if len(patterns) == 0 {
		return true
	}
	is := text()
	return slices.ContainsFunc(patterns, func(pattern string) bool { return like(pattern, is) })
}

// like tells whether a text is what a pattern says, where * stands for any characters.
func like(pattern, text string) bool {
	before, rest, starred := strings.Cut(pattern, "*")
	if !starred {
		return pattern == text
	}
	text, ok := strings.CutPrefix(text, before)
	if !ok {
		return false
	}
	for {
		var part string
		part, rest, starred = strings.Cut(rest, "*")
		if !starred {
			return strings.HasSuffix(text, part)
		}
		at := strings.Index(text, part)
		if at < 0 {
			return false
		}
		text = text[at+len(part):]
	}
}
