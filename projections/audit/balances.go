package audit

import (
	"context"
	"math/big"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const (
	checkEntries   = "every entry is as the log says"
	checkBalances  = "every balance is as the log says"
	checkSums      = "entries add up to balances"
	checkEqual     = "debits equal credits for each ledger and asset"
	checkConflicts = "conflicts listed are the conflicts found"
)

const accountsView = "books.account_balances"

// sums are the two totals of an account, or of all accounts of a ledger in one asset.
type sums struct{ debits, credits big.Int }

func (s *sums) add(side string, amount *big.Int) {
	if side == debit {
		s.debits.Add(&s.debits, amount)
	} else {
		s.credits.Add(&s.credits, amount)
	}
}

// account is a row of books.account_balances.
type account struct {
	met
	sums

	debitNormal bool
}

func (a *account) cells() []string {
	balance := new(big.Int).Sub(&a.debits, &a.credits)
	if !a.debitNormal {
		balance.Neg(balance)
	}
	return []string{decimal(&a.debits), decimal(&a.credits), decimal(balance)}
}

// balances is the reference of the books.
type balances struct {
	*Auditor

	examination *examination
	accounts    map[string]*account // By ledger, account and asset.
	digester    digester
	// entered are the accounts' totals by the table of entries; key is where the key of one is put together.
	entered map[string]*sums
	key     []byte
	// suspected are the events whose entries differ; expected their entries.
	suspected suspects
	expected  map[string]*entryRow
}

func newBalances(a *Auditor, e *examination) model {
	e.ids = &identities{}
	e.found.expect(checkProgress, checkPast, checkIdentities, checkEntries, checkBalances, checkSums, checkEqual, checkConflicts)
	return &balances{
		Auditor: a, examination: e, accounts: map[string]*account{}, digester: digester{seed: a.seed},
		entered: map[string]*sums{}, suspected: suspects{}, expected: map[string]*entryRow{},
	}
}

func (b *balances) wants(record *eventlog.Record) bool { return record.Event != nil }

func (b *balances) fold(record *eventlog.Record, s *slot) {
	for n, p := range b.postings(record.Event) {
		key := keyOf(record.Event.Ledger, p.account, p.asset)
		a, ok := b.accounts[key]
		if !ok {
			a = &account{debitNormal: debitNormal(p.account)}
			b.accounts[key] = a
		}
		a.add(p.side, p.amount)
		s.digest += b.digester.entry(record, n, p)
	}
}

func (b *balances) touches(traces []string, record *eventlog.Record) []string {
	for _, p := range b.postings(record.Event) {
		traces = append(traces, traceRow(accountsView, keyOf(record.Event.Ledger, p.account, p.asset)))
	}
	return traces
}

func (b *balances) compare(ctx context.Context, s *snapshot) error {
	if err := b.compareEntries(ctx, s); err != nil {
		return err
	}
	if err := b.compareAccounts(ctx, s); err != nil {
		return err
	}
	return b.compareConflicts(ctx, s)
}

// compareAccounts holds the balances against the log, against the entries, and against each other.
func (b *balances) compareAccounts(ctx context.Context, s *snapshot) error {
	found := &b.examination.found
	t := table{name: accountsView, keys: texts("ledger", "account", "asset_code"), values: amounts("debits", "credits", "balance")}
	books := map[string]*sums{}
	t.each = func(cells [][]byte) {
		ledger, asset := string(cells[0]), string(cells[2])
		key := keyOf(ledger, string(cells[1]), asset)
		debits, credits := string(cells[3]), string(cells[4])
		b.compareSums(&t, key, debits, credits)
		addUp(books, keyOf(ledger, asset), debits, credits)
	}
	if err := compare(ctx, s, found.check(checkBalances), t, rowsOf(b.accounts)); err != nil {
		return err
	}
	for key, sum := range b.entered {
		c := found.check(checkSums)
		c.compared++
		d := t.difference(KindMissing, key)
		d.Want = decimal(&sum.debits) + " debits, " + decimal(&sum.credits) + " credits"
		c.differs(d)
	}
	b.compareSides(accountsView, books)
	return nil
}

// compareSums holds a balance against its entries, and forgets these.
func (b *balances) compareSums(t *table, key, debits, credits string) {
	c := b.examination.found.check(checkSums)
	c.compared++
	sum, ok := b.entered[key]
	if !ok {
		sum = &sums{}
	}
	delete(b.entered, key)
	d := t.difference(KindDifferent, key)
	d.Column = "debits"
	c.same(d, decimal(&sum.debits), debits)
	d.Column = "credits"
	c.same(d, decimal(&sum.credits), credits)
}

// compareSides sees to it that the books balance.
func (b *balances) compareSides(table string, books map[string]*sums) {
	c := b.examination.found.check(checkEqual)
	for key, sum := range books {
		c.compared++
		if sum.debits.Cmp(&sum.credits) != 0 {
			c.differs(Difference{
				Kind: KindUnbalanced, Table: table, Key: shownKey(key), Column: "debits",
				Want: decimal(&sum.credits), Got: decimal(&sum.debits),
			})
		}
	}
}

func addUp(all map[string]*sums, key, debits, credits string) {
	sum := sumOf(all, []byte(key))
	if amount, ok := parseDecimal(debits); ok {
		sum.add(debit, amount)
	}
	if amount, ok := parseDecimal(credits); ok {
		sum.add(credit, amount)
	}
}
