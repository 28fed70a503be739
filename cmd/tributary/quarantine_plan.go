package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// standing is what can be done about a refused record.
type standing int

const (
	isReady       standing = iota // it is valid, and nobody has it
	isInvalid                     // it is still invalid
	isCounting                    // the same event counts already
	isConflicting                 // its id stands for something else
	isReleased                    // it was released before
)

// judged is a refused record with what can be done about it.
type judged struct {
	at       eventlog.Position
	standing standing
	event    *ledger.Event
	key      []byte
	invalid  ledger.Invalid
	// other is where the copy lies that counts.
	other eventlog.Position
}

// refused are the records that are chosen.
type refused struct {
	pool   *pgxpool.Pool
	chosen []eventlog.Position // none: all of the reason
	reason string
	mended *ledger.Event
}

// each judges the records, page by page. Events keep their meaning as long as they are used, so fn may keep them.
func (r *refused) each(ctx context.Context, fn func([]judged) error) error {
	met := map[uuid.UUID]balances.Held{}
	return r.pages(ctx, func(page []quarantine.Record) error {
		judgements := make([]judged, len(page))
		var ids []uuid.UUID
		for i := range page {
			judgements[i] = r.read(&page[i])
			if event := judgements[i].event; event != nil {
				ids = append(ids, event.ID)
			}
		}
		held, err := balances.HeldEvents(ctx, r.pool, ids)
		if err != nil {
			return err
		}
		for i := range judgements {
			judgements[i].weigh(held, met)
		}
		return fn(judgements)
	})
}

// pages reads the records; little at a time, because each may be a megabyte.
func (r *refused) pages(ctx context.Context, fn func([]quarantine.Record) error) error {
	const perPage = 200
	for _, at := range r.chosen {
		record, err := quarantine.Get(ctx, r.pool, at)
		if errors.Is(err, quarantine.ErrNotFound) {
			return fmt.Errorf("%s: %w", at, errNotQuarantined)
		}
		if err != nil {
			return err
		}
		if err := fn([]quarantine.Record{record}); err != nil {
			return err
		}
	}
	if len(r.chosen) > 0 {
		return nil
	}
	var after *quarantine.Summary
	for {
		page, err := quarantine.Unreleased(ctx, r.pool, r.reason, after, perPage)
		if err != nil || len(page) == 0 {
			return err
		}
		if err := fn(page); err != nil {
			return err
		}
		last := page[len(page)-1].Summary
		after = &last
	}
}

// read decodes a record anew, or takes what is to stand in its place.
func (r *refused) read(record *quarantine.Record) judged {
	j := judged{at: record.Position(), key: record.Key}
	if record.ReleasedAt != nil {
		j.standing = isReleased
		return j
	}
	if r.mended != nil {
		if record.EventID != nil && *record.EventID != r.mended.ID.String() {
			j.standing = isInvalid
			j.invalid = ledger.Invalid{
				Code: ledger.CodeBadID, Path: "id",
				Message: fmt.Sprintf("the record claims the id %s, the event to stand in its place has %s", *record.EventID, r.mended.ID),
			}
			return j
		}
		j.event, j.key = r.mended, nil
		return j
	}
	again := record.Again()
	if again.Rejected != nil {
		j.standing, j.invalid = isInvalid, again.Rejected.Invalid
		return j
	}
	j.event = again.Event
	return j
}

// weigh compares with what counts, and with what would be published before it.
func (j *judged) weigh(held, met map[uuid.UUID]balances.Held) {
	if j.event == nil {
		return
	}
	hash := j.event.ContentHash()
	other, taken := held[j.event.ID]
	if !taken {
		if other, taken = met[j.event.ID]; !taken {
			met[j.event.ID] = balances.Held{ContentHash: hash, At: j.at}
			return
		}
	}
	j.standing, j.other = isCounting, other.At
	if other.ContentHash != hash {
		j.standing = isConflicting
	}
}

// releasePlan is what a release would do, and then what it did, as --json prints it.
type releasePlan struct {
	Records      int             `json:"records"`
	Ready        map[string]int  `json:"ready"`
	Released     int             `json:"released"`
	StillInvalid []stillInvalid  `json:"still_invalid"`
	Counting     []otherCopy     `json:"counting"`
	Conflicts    []otherCopy     `json:"conflicts"`
	Accounts     []accountChange `json:"accounts"`
	Revenue      []revenueChange `json:"revenue"`
	Payments     []string        `json:"payments"`
	Receivers    []string        `json:"receivers"`
	Published    int             `json:"published"`
	Positions    []releasedAs    `json:"positions"`

	planned  map[eventlog.Position]bool
	accounts map[accountKey]*[2]ledger.Sum
	revenue  map[revenueKey]*revenue.Earned
	subjects map[string]map[string]bool
}

type stillInvalid struct {
	Position string `json:"position"`
	Code     string `json:"code"`
	Path     string `json:"path"`
	Message  string `json:"message"`
}

type otherCopy struct {
	Position string `json:"position"`
	EventID  string `json:"event_id"`
	At       string `json:"at"`
}

type releasedAs struct {
	Of string `json:"of"`
	As string `json:"as"`
}

type accountChange struct {
	Ledger  string `json:"ledger"`
	Account string `json:"account"`
	Asset   string `json:"asset_code"`
	Debits  string `json:"debits"`
	Credits string `json:"credits"`
	balance string
}

type revenueChange struct {
	Stream  string `json:"stream"`
	Owner   string `json:"owner"`
	Asset   string `json:"asset_code"`
	Gross   string `json:"gross"`
	Refunds string `json:"refunds"`
	Fees    string `json:"fees"`
}

type accountKey struct {
	ledger.Account

	books, asset string
}

type revenueKey struct{ stream, owner, asset string }

func newReleasePlan() *releasePlan {
	return &releasePlan{
		Ready: map[string]int{}, StillInvalid: []stillInvalid{}, Counting: []otherCopy{}, Conflicts: []otherCopy{},
		Accounts: []accountChange{}, Revenue: []revenueChange{}, Payments: []string{}, Receivers: []string{}, Positions: []releasedAs{},
		planned: map[eventlog.Position]bool{}, accounts: map[accountKey]*[2]ledger.Sum{},
		revenue: map[revenueKey]*revenue.Earned{}, subjects: map[string]map[string]bool{"payment": {}, "receiver": {}},
	}
}

// take adds records to the plan.
func (p *releasePlan) take(page []judged) error {
	for i := range page {
		j := &page[i]
		p.Records++
		switch j.standing {
		case isReady:
			p.add(j)
		case isReleased:
			p.Released++
		case isInvalid:
			p.StillInvalid = append(p.StillInvalid, stillInvalid{j.at.String(), string(j.invalid.Code), j.invalid.Path, j.invalid.Message})
		case isCounting:
			p.Counting = append(p.Counting, otherCopy{j.at.String(), j.event.ID.String(), j.other.String()})
		case isConflicting:
			p.Conflicts = append(p.Conflicts, otherCopy{j.at.String(), j.event.ID.String(), j.other.String()})
		}
	}
	return nil
}

// add adds what an event would change.
func (p *releasePlan) add(j *judged) {
	event := j.event
	p.planned[j.at] = true
	p.Ready[string(event.Type)]++
	for _, posting := range ledger.Postings(nil, event) {
		key := accountKey{cloned(posting.Account), strings.Clone(event.Ledger), strings.Clone(posting.Asset)}
		if p.accounts[key] == nil {
			p.accounts[key] = &[2]ledger.Sum{}
		}
		side := 0
		if posting.Direction == ledger.Credit {
			side = 1
		}
		p.accounts[key][side].Add(posting.Amount)
	}
	if earned, ok := revenue.Earns(event); ok {
		key := revenueKey{earned.Stream, strings.Clone(earned.Owner), strings.Clone(earned.Asset)}
		if sum := p.revenue[key]; sum == nil {
			p.revenue[key] = &earned
		} else {
			sum.Gross.Add(sum.Gross, earned.Gross)
			sum.Refunds.Add(sum.Refunds, earned.Refunds)
			sum.Fees.Add(sum.Fees, earned.Fees)
		}
	}
	kind, _, _ := strings.Cut(shortType(string(event.Type)), ".")
	if subjects := p.subjects[kind]; subjects != nil {
		subjects[strings.Clone(event.Subject)] = true
	}
}

func cloned(a ledger.Account) ledger.Account {
	return ledger.Account{Kind: strings.Clone(a.Kind), Name: strings.Clone(a.Name), Leaf: strings.Clone(a.Leaf)}
}

// lists puts the sums in order.
func (p *releasePlan) lists() {
	p.Accounts, p.Revenue = p.Accounts[:0], p.Revenue[:0]
	for key, sums := range p.accounts {
		change := new(big.Int).Sub(sums[1].Big(), sums[0].Big())
		if key.DebitNormal() {
			change.Neg(change)
		}
		p.Accounts = append(p.Accounts, accountChange{
			key.books, key.String(), key.asset, sums[0].String(), sums[1].String(), ledger.FormatUnits(change),
		})
	}
	slices.SortFunc(p.Accounts, func(a, b accountChange) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Ledger, b.Ledger))
	})
	for key, sum := range p.revenue {
		p.Revenue = append(p.Revenue, revenueChange{
			key.stream, key.owner, key.asset, ledger.FormatUnits(sum.Gross), ledger.FormatUnits(sum.Refunds), ledger.FormatUnits(sum.Fees),
		})
	}
	slices.SortFunc(p.Revenue, func(a, b revenueChange) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Owner, b.Owner), cmp.Compare(a.Asset, b.Asset))
	})
	p.Payments = slices.AppendSeq(p.Payments[:0], maps.Keys(p.subjects["payment"]))
	p.Receivers = slices.AppendSeq(p.Receivers[:0], maps.Keys(p.subjects["receiver"]))
	slices.Sort(p.Payments)
	slices.Sort(p.Receivers)
}
