package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

// aboutEvent is what the event with this id is about, and what the id then is.
func (t *teller) aboutEvent(ctx context.Context, tx pgx.Tx, id uuid.UUID) (about, what string, err error) {
	counted, err := balances.Counted(ctx, tx, []uuid.UUID{id})
	if err != nil {
		return "", "", err
	}
	at, known := counted[id]
	if !known {
		return "", "", nil
	}
	records, err := eventlog.ReadAt(ctx, t.kafka, []eventlog.Position{at})
	if errors.Is(err, eventlog.ErrNoRecord) || err == nil && records[0].Event == nil {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	event := records[0].Event
	return event.Subject, fmt.Sprintf("the id of %s of %s at %s", shortType(string(event.Type)), event.Subject, at), nil
}

// aboutReceipt is the payment that a receipt is of, and what the id then is.
func (t *teller) aboutReceipt(ctx context.Context, tx pgx.Tx, id string) (about, what string, err error) {
	inLedger := t.flags.ledger
	if inLedger == "" {
		inLedger = ledger.DefaultLedger
	}
	receipt, err := receipts.GetReceipt(ctx, tx, inLedger, id)
	if errors.Is(err, postgres.ErrNotFound) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return receipt.PaymentID, "the receipt of " + receipt.PaymentID, nil
}

// neighbours are ids beside this one in the order of the books, whatever it is of.
const neighbours = `
	SELECT id FROM (
		(SELECT payment_id AS id FROM books.payments WHERE (ledger, payment_id) >= ('main', $1) ORDER BY ledger, payment_id LIMIT 20)
		UNION ALL
		(SELECT payment_id FROM books.payments WHERE (ledger, payment_id) < ('main', $1) ORDER BY ledger DESC, payment_id DESC LIMIT 20)
		UNION ALL
		(SELECT receiver_id FROM receivers.receivers WHERE (ledger, receiver_id) >= ('main', $1)
		 AND generation = (SELECT tributary.shown('receivers')) ORDER BY ledger, receiver_id LIMIT 20)
		UNION ALL
		(SELECT receiver_id FROM receivers.receivers WHERE (ledger, receiver_id) < ('main', $1)
		 AND generation = (SELECT tributary.shown('receivers')) ORDER BY ledger DESC, receiver_id DESC LIMIT 20)
		UNION ALL
		(SELECT split_part(account, ':', 2) FROM balances.accounts WHERE account >= 'site:' || $1 ORDER BY account LIMIT 20)
		UNION ALL
		(SELECT split_part(account, ':', 2) FROM balances.accounts WHERE account < 'site:' || $1 ORDER BY account DESC LIMIT 20)
	) near`

// similar is a question whether another id was meant.
func similar(ctx context.Context, tx pgx.Tx, id string) (string, error) {
	rows, err := tx.Query(ctx, neighbours, id)
	if err != nil {
		return "", fmt.Errorf("look for similar ids: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("look for similar ids: %w", err)
	}
	return didYouMean(id, slices.DeleteFunc(ids, func(near string) bool { return near == id })), nil
}

// leftOut says what has the id, when it is not what the flags ask for.
func (t *teller) leftOut(found *foundStory) error {
	var has []string
	for g := range found.others {
		if t.flags.post != "" && g.kind == kindSite && (t.flags.ledger == "" || t.flags.ledger == g.ledger) {
			return fmt.Errorf("site %s has no post %q", found.id, t.flags.post)
		}
		has = append(has, g.kind+" "+found.id+" in ledger "+g.ledger)
	}
	slices.Sort(has)
	return fmt.Errorf("the log has no event about %q%s; it has %s", found.id, t.flags.asked(), strings.Join(has, ", "))
}

// otherThing is an error for an id that is known, and of something that has no story.
func (t *teller) otherThing(ctx context.Context, tx pgx.Tx, id string) error {
	if account, ok := ledger.ParseAccount(id); ok {
		return fmt.Errorf("%q is an account, which has no story: try tributary explain balance %s", id, account)
	}
	var merchant bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM balances.accounts WHERE account = $1)`, "merchant:"+id+":payable").Scan(&merchant)
	if err != nil {
		return fmt.Errorf("look for a merchant %q: %w", id, err)
	}
	if merchant {
		return fmt.Errorf("%q is a merchant, which has no story: try tributary get payment --merchant %s, or "+
			"tributary explain balance merchant:%s:payable", id, id, id)
	}
	return nil
}

// atPosition makes a position the id that the event there is about.
func (t *teller) atPosition(ctx context.Context) error {
	at, err := eventlog.ParsePosition(t.flags.id)
	if err != nil || !slices.Contains(eventlog.Topics(), at.Topic) {
		return nil //nolint:nilerr // then it is an id
	}
	records, err := eventlog.ReadAt(ctx, t.kafka, []eventlog.Position{at})
	if err != nil {
		return fmt.Errorf("the story of what is at %s: %w", at, err)
	}
	event := records[0].Event
	if event == nil {
		return fmt.Errorf("the record at %s was refused: tributary quarantine show %s", at, at)
	}
	t.notef("%s is %s of %s; this is its story", at, shortType(string(event.Type)), event.Subject)
	t.flags.id = event.Subject
	return nil
}
