package audit

import (
	"context"
	"math/big"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/audit/spill"
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

// account is a row of books.account_balances. As far as it is compared, its balance may be left out.
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

// conflictsShare is the part of the memory in which conflicts are sorted: there are few.
const conflictsShare = 16

// The columns of an account that are added up.
const (
	columnDebits = iota
	columnCredits
	accountColumns
)

func columnOf(side string) int {
	if side == debit {
		return columnDebits
	}
	return columnCredits
}

// balances is the reference of the books.
type balances struct {
	*Auditor

	examination *examination
	digester    digester
	key         []byte
	posted      []posting // By the record at hand.
	entries     *rowset
	// totals hold the accounts' totals by the log, entered those by the table of entries, against those of the view.
	totals, entered         *sumsTally
	heldTotals, heldEntered suspects
	// conflicts hold those that were met against the list; spilled has them all.
	conflicts *rowset
	spilled   *spill.Sorter

	// expected are entries by event and number, accounts by ledger, account and asset, enteredAgain their totals by the table of
	// entries, listed conflicts by position: those that are compared one by one.
	expected     map[string]*entryRow
	accounts     map[string]*account
	enteredAgain map[string]*sums
	listed       map[string]*conflictRow
}

func newBalances(a *Auditor, e *examination) model {
	e.ids = newIdentities(a.seed)
	e.found.expect(checkProgress, checkPast, checkIdentities, checkEntries, checkBalances, checkSums, checkEqual, checkConflicts)
	b := &balances{
		Auditor: a, examination: e, digester: digester{seed: a.seed},
		entries: newRowset(e.found.check(checkEntries), a.seed, entriesTable()),
		totals:  newSumsTally(accountColumns), entered: newSumsTally(accountColumns),
		expected: map[string]*entryRow{}, accounts: map[string]*account{}, enteredAgain: map[string]*sums{},
		listed: map[string]*conflictRow{}, spilled: spill.New(a.memory.Dir, a.memory.Bytes/conflictsShare),
	}
	b.conflicts = newRowset(e.found.check(checkConflicts), a.seed, b.conflictsTable())
	return b
}

func (b *balances) wants(record *eventlog.Record) bool { return record.Event != nil }

func (b *balances) close() error { return b.spilled.Close() }

func (b *balances) fold(record *eventlog.Record) error {
	bucket := b.bucketOf(record.Event.ID)
	b.posted = b.postings(b.posted[:0], record.Event)
	for n, p := range b.posted {
		b.key = append(append(append(b.key[:0], record.Event.Ledger...), separator...), p.account...)
		b.key = append(append(b.key, separator...), p.asset...)
		b.totals.expect(b.key, columnOf(p.side), p.amount)
		b.entries.tally.expect(bucket, b.digester.entry(record, n, p))
	}
	return nil
}

func (b *balances) again(record *eventlog.Record) {
	postings := b.postings(nil, record.Event)
	b.againEntries(record, postings)
	for _, p := range postings {
		key := keyOf(record.Event.Ledger, p.account, p.asset)
		if !b.totals.holds(b.heldTotals, key) {
			continue
		}
		a, ok := b.accounts[key]
		if !ok {
			a = &account{debitNormal: debitNormal(p.account)}
			b.accounts[key] = a
		}
		a.add(p.side, p.amount)
	}
}

func (b *balances) touches(traces []string, record *eventlog.Record) []string {
	for _, p := range b.postings(nil, record.Event) {
		traces = append(traces, traceRow(accountsView, keyOf(record.Event.Ledger, p.account, p.asset)))
	}
	return traces
}

func (b *balances) tally(ctx context.Context, s *snapshot) error {
	if err := b.tallyEntries(ctx, s); err != nil {
		return err
	}
	if err := b.tallyAccounts(ctx, s); err != nil {
		return err
	}
	return b.conflicts.read(ctx, s)
}

func (b *balances) suspect() bool {
	var more int64
	b.heldTotals, more = b.totals.suspects()
	b.examination.found.check(checkBalances).more(more)
	b.heldEntered, more = b.entered.suspects()
	b.examination.found.check(checkSums).more(more)
	entries, conflicts := b.entries.suspect(), b.conflicts.suspect()
	return entries || conflicts || len(b.heldTotals) > 0 || len(b.heldEntered) > 0
}

func (b *balances) detail(ctx context.Context, s *snapshot) error {
	if err := b.detailEntries(ctx, s); err != nil {
		return err
	}
	if err := b.detailAccounts(ctx, s); err != nil {
		return err
	}
	if err := b.listConflicts(); err != nil {
		return err
	}
	return b.conflicts.detail(ctx, s, rowsOf(b.listed))
}

func accountsTable() table {
	return table{name: accountsView, keys: texts("ledger", "account", "asset_code"), values: amounts("debits", "credits", "balance")}
}

// tallyAccounts adds the balances up: each account's totals against the log and the entries, and all of them against each other.
func (b *balances) tallyAccounts(ctx context.Context, s *snapshot) error {
	t := accountsTable()
	found := &b.examination.found
	c, summed := found.check(checkBalances), found.check(checkSums)
	books := map[string]*sums{}
	err := s.stream(ctx, t.name, t.sql(), nil, func(cells [][]byte) error {
		found.rows++
		c.compared++
		summed.compared++
		b.key = appendKey(b.key[:0], cells[:len(t.keys)])
		a := account{debitNormal: debitNormal(string(cells[1]))}
		sides := []*big.Int{&a.debits, &a.credits}
		for column, total := range sides {
			amount, ok := parseDecimal(string(cells[len(t.keys)+column]))
			if !ok {
				amount = new(big.Int).Lsh(big.NewInt(1), noAmountBits)
			}
			total.Set(amount)
			b.totals.meet(b.key, column, amount)
			b.entered.meet(b.key, column, amount)
		}
		addUp(books, keyOf(string(cells[0]), string(cells[2])), &a)
		if a.debits.Sign() == 0 && a.credits.Sign() == 0 { // No event makes one, and no sum shows it.
			c.differs(t.difference(KindExtra, string(b.key)))
		}
		balance := len(t.keys) + len(sides)
		if want := a.cells()[len(sides)]; want != string(cells[balance]) {
			d := t.difference(KindDifferent, string(b.key))
			d.Column = "balance"
			c.same(d, want, string(orNull(cells[balance])))
		}
		return nil
	})
	b.compareSides(accountsView, books)
	return err
}

// noAmountBits is the size of what stands for a total that cannot be read: more than any that can.
const noAmountBits = 1000

// detailAccounts compares the balances that differ with what the log says, and with what their entries add up to.
func (b *balances) detailAccounts(ctx context.Context, s *snapshot) error {
	if len(b.heldTotals) == 0 && len(b.heldEntered) == 0 {
		return nil
	}
	if err := b.enterAgain(ctx, s); err != nil {
		return err
	}
	found := &b.examination.found
	t, summed := accountsTable(), accountsTable()
	t.values = t.values[:accountColumns] // The third follows from them, and was held against them.
	t.only = func(key []byte) bool { return b.totals.holds(b.heldTotals, string(key)) }
	if err := compareAgain(ctx, s, found.check(checkBalances), t, rowsOf(b.accounts)); err != nil {
		return err
	}
	entered := map[string]*account{}
	for key, sum := range b.enteredAgain {
		entered[key] = &account{sums: *sum}
	}
	summed.values = summed.values[:accountColumns]
	summed.only = func(key []byte) bool { return b.entered.holds(b.heldEntered, string(key)) }
	return compareAgain(ctx, s, found.check(checkSums), summed, rowsOf(entered))
}

// enterAgain adds the entries up whose accounts differ from them.
func (b *balances) enterAgain(ctx context.Context, s *snapshot) error {
	if len(b.heldEntered) == 0 {
		return nil
	}
	return s.streamBinary(ctx, entriesView, entriesSQL, nil, func(row [][]byte) error {
		b.key = appendKey(b.key[:0], row[entryLedger:entryDirection])
		if amount, ok := parseDecimal(string(row[entryAmount])); ok && b.entered.holds(b.heldEntered, string(b.key)) {
			sumOf(b.enteredAgain, b.key).add(string(row[entryDirection]), amount)
		}
		return nil
	})
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

func addUp(all map[string]*sums, key string, a *account) {
	sum := sumOf(all, []byte(key))
	sum.debits.Add(&sum.debits, &a.debits)
	sum.credits.Add(&sum.credits, &a.credits)
}
