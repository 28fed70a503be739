package queries

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Balances are an account's, one an asset.
type Balances struct {
	Account string `json:"account" example:"merchant:acme:payable"`
	Ledger  string `json:"ledger" example:"main"`
	// At and KnownAt are of when they are; absent for now.
	At       *time.Time `json:"at,omitempty" example:"2026-03-31T23:59:59.999999Z" doc:"The last moment, of events' own times, that counts."`
	KnownAt  *time.Time `json:"known_at,omitempty" example:"2026-04-01T00:00:00Z" doc:"The last moment, of recorded times, that counts."`
	Balances []Balance  `json:"balances" doc:"By asset_code, at most 1,000."`
}

// Balance is two totals that only grow, and their difference on the account's normal side; decimals.
type Balance struct {
	AssetCode string `json:"asset_code" example:"GBP"`
	Debits    string `json:"debits" example:"20"`
	Credits   string `json:"credits" example:"137.73"`
	Balance   string `json:"balance" example:"117.73" doc:"Credits less debits, but of provider, chain, interledger, bank and expense accounts debits less credits."`
}

// AccountEntries is a page of an account's statement.
type AccountEntries struct {
	Account string         `json:"account" example:"merchant:acme:payable"`
	Ledger  string         `json:"ledger" example:"main"`
	Entries []AccountEntry `json:"entries"`
	Next    string         `json:"next,omitempty" doc:"The cursor of the next page; left out on the last."`
}

// AccountEntry is what an event did to the account.
type AccountEntry struct {
	EventID    string    `json:"event_id" format:"uuid" example:"0195a3c8-7f00-7cc1-a4cb-3f2b9d3c1e55"`
	Entry      int32     `json:"entry" example:"1" doc:"Numbers the event's postings, from 0."`
	EventType  string    `json:"event_type" example:"tributary.payment.posted.v1"`
	Reference  string    `json:"reference" example:"pay-1007" doc:"What the event is about."`
	Direction  string    `json:"direction" example:"credit" enum:"debit,credit"`
	AssetCode  string    `json:"asset_code" example:"GBP"`
	Amount     string    `json:"amount" example:"137.73" doc:"A decimal, not negative."`
	OccurredAt time.Time `json:"occurred_at" example:"2026-03-01T12:00:00Z"`
	RecordedAt time.Time `json:"recorded_at" example:"2026-03-01T12:00:01Z"`
	Position   string    `json:"position" example:"payments/3@1042" doc:"Where the event lies in the log."`
}

// Moments say of when an answer is.
type Moments struct {
	KnownAt string `query:"known_at" example:"2026-04-01" doc:"Only what was in the log by then, whatever it says of when it happened: a day's start in tz, or a time."`
	TZ      string `query:"tz" example:"Europe/Paris" doc:"The time zone of days; UTC unless said otherwise."`
}

type balancesInput struct {
	After
	Moments

	Account     string `path:"account" maxLength:"200" example:"merchant:acme:payable"`
	At          string `query:"at" example:"2026-03-31" doc:"Only what had occurred by then, by the events' own times: a day, which counts whole, or a time."`
	IfNoneMatch string `header:"If-None-Match" doc:"ETags that the caller has."`
}

type entriesInput struct {
	After
	Page
	Moments

	Account   string `path:"account" maxLength:"200" example:"merchant:acme:payable"`
	AssetCode string `query:"asset_code" maxLength:"12" example:"GBP" doc:"Only this asset."`
	From      string `query:"from" example:"2026-03-01" doc:"From this day or time on."`
	To        string `query:"to" example:"2026-03-31" doc:"Up to this day, which counts whole, or time."`
}

func (q *Queries) registerBalances(api huma.API) {
	one := operation("get-balances", "/v1/balances/{account}", web.ScopeBalancesRead, "An account's balances, now or at a time",
		"The balances of an account, one an asset. Without ?after= they may be up to a second old.", http.StatusNotFound)
	q.balances.serve(api, &one, "account")
	huma.Register(api, one, q.getBalances)
	huma.Register(api, operation("list-entries", "/v1/accounts/{account}/entries", web.ScopeBalancesRead, "An account's statement",
		"What events did to an account, the latest first. Pages go on where the one before ended, whatever was added meanwhile.",
		http.StatusNotFound), q.listEntries)
}

func newBalances(q *Queries) *answers {
	a := newAnswers(q, ofBalances, "account")
	a.look = lookForBalances
	a.mine = func(caller *web.Principal, n name, _ *answer) bool { return ownsAccount(caller, n.id) }
	return a
}

// ownsAccount tells whether an account can be, and is the caller's to see: those of merchants and sites are theirs, all others
// belong to nobody who is confined.
func ownsAccount(caller *web.Principal, text string) bool {
	account, ok := ledger.ParseAccount(text)
	if !ok || len(caller.Owners) == 0 {
		return ok
	}
	return (account.Kind == "merchant" || account.Kind == "site") && caller.Owns(account.Name)
}

func lookForBalances(ctx context.Context, s *store, names []name, _ []*answer) (map[name]*answer, error) {
	keys := make([]balances.Key, len(names))
	for i, n := range names {
		keys[i] = balances.Key{Ledger: n.ledger, Account: n.id}
	}
	rows, err := balances.Of(ctx, s.pool, keys)
	if err != nil {
		return nil, err
	}
	found := map[name]*answer{}
	for len(rows) > 0 {
		of := 0
		for of < len(rows) && rows[of].Index == rows[0].Index {
			of++
		}
		n := names[rows[0].Index]
		shown := Balances{Account: n.id, Ledger: n.ledger, Balances: make([]Balance, of)}
		for i := range shown.Balances {
			shown.Balances[i] = shownBalance(&rows[i].Balance)
		}
		if found[n], err = written(0, shown); err != nil {
			return nil, err
		}
		rows = rows[of:]
	}
	return found, nil
}

func shownBalance(b *balances.Balance) Balance {
	return Balance{AssetCode: b.AssetCode, Debits: b.Debits, Credits: b.Credits, Balance: b.Balance}
}

func (q *Queries) getBalances(ctx context.Context, in *balancesInput) (*tagged[Balances], error) {
	positions, err := in.positions()
	if err != nil {
		return nil, err
	}
	if in.At == "" && in.KnownAt == "" {
		found, err := q.balances.get(ctx, in.Account, positions)
		if err != nil {
			return nil, err
		}
		return output[Balances](found, in.IfNoneMatch)
	}
	asOf, err := in.asOf("query.at", in.At)
	if err != nil {
		return nil, err
	}
	found, err := q.balancesAsOf(ctx, in.Account, asOf, positions)
	if err != nil {
		return nil, err
	}
	return output[Balances](found, in.IfNoneMatch)
}

// asOf reads the moments; at is by which parameter the last one that counts is given.
func (m *Moments) asOf(path, at string) (balances.AsOf, error) {
	zone, err := zoneOf(m.TZ)
	if err != nil {
		return balances.AsOf{}, err
	}
	var asOf balances.AsOf
	if asOf.At, err = until(path, at, zone); err != nil {
		return asOf, err
	}
	asOf.KnownAt, err = instant("query.known_at", m.KnownAt, zone)
	return asOf, err
}

// balancesAsOf adds entries up. An account that is there now and had no entries then has no balances.
func (q *Queries) balancesAsOf(
	ctx context.Context, account string, asOf balances.AsOf, positions []eventlog.Position,
) (*answer, error) {
	caller := web.Caller(ctx)
	if !ownsAccount(caller, account) {
		return nil, notFound("account", account)
	}
	const most = 1000
	filter := balances.Filter{Account: account, Ledger: caller.Ledger, Limit: most}
	rows, err := ask(ctx, q, ofBalances, positions, snapshot(func(ctx context.Context, db postgres.Querier) ([]balances.Balance, error) {
		now, err := balances.List(ctx, db, filter)
		if err != nil || len(now) == 0 {
			return nil, cmp.Or(err, postgres.ErrNotFound)
		}
		then := filter
		then.AsOf = asOf
		return balances.List(ctx, db, then)
	}))
	if err != nil {
		return nil, orNotFound(err, "account", account)
	}
	shown := Balances{Account: account, Ledger: caller.Ledger, Balances: make([]Balance, len(rows))}
	if !asOf.At.IsZero() {
		shown.At = &asOf.At
	}
	if !asOf.KnownAt.IsZero() {
		shown.KnownAt = &asOf.KnownAt
	}
	for i := range rows {
		shown.Balances[i] = shownBalance(&rows[i])
	}
	return written(0, shown)
}
