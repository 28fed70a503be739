package peers

import (
	"encoding/json"
	"fmt"
	"math/bits"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// row is a record of a prepared topic.
type row struct{ key, value []byte }

// entryRow is a posting, as peers read it from JSON.
type entryRow struct {
	EventID    uuid.UUID   `json:"event_id"`
	Entry      int         `json:"entry"`
	Ledger     string      `json:"ledger"`
	Account    string      `json:"account"`
	AssetCode  string      `json:"asset_code"`
	Direction  string      `json:"direction"`
	Amount     json.Number `json:"amount"`
	OccurredAt time.Time   `json:"occurred_at"`
	EventType  string      `json:"event_type"`
	Reference  string      `json:"reference"`
}

// accountKey is under which key balances are kept.
func accountKey(inLedger, account, asset string) string {
	return inLedger + "/" + account + "/" + asset
}

// entryRows are the postings of the records, under the event's key, as the log has them.
func entryRows(records []eventlog.Record) ([]row, error) {
	return entryRowsBy(records, func(e *ledger.Event, _ ledger.Posting) string { return e.Key() })
}

// entryRowsByAccount are the same, under the account's key.
func entryRowsByAccount(records []eventlog.Record) ([]row, error) {
	return entryRowsBy(records, func(e *ledger.Event, p ledger.Posting) string {
		return accountKey(e.Ledger, p.Account.String(), p.Asset)
	})
}

func entryRowsBy(records []eventlog.Record, key func(*ledger.Event, ledger.Posting) string) ([]row, error) {
	rows := make([]row, 0, 2*len(records)) //nolint:mnd // Most events post twice.
	var postings []ledger.Posting
	for i := range records {
		e := records[i].Event
		if e == nil {
			continue
		}
		postings = ledger.Postings(postings[:0], e)
		for n, p := range postings {
			value, err := json.Marshal(entryRow{
				EventID: e.ID, Entry: n, Ledger: e.Ledger, Account: p.Account.String(), AssetCode: p.Asset,
				Direction: p.Direction.String(), Amount: json.Number(p.Amount.String()), OccurredAt: e.Time,
				EventType: string(e.Type), Reference: e.Subject,
			})
			if err != nil {
				return nil, fmt.Errorf("an entry of %v as JSON: %w", records[i].Position, err)
			}
			rows = append(rows, row{[]byte(key(e, p)), value})
		}
	}
	return rows, nil
}

// revenueRows are the rows that the product's own projection makes of the records, with the same columns.
func revenueRows(records []eventlog.Record) ([]row, error) {
	of := revenue.New()
	counting := make([]eventlog.Record, 0, len(records))
	for i := range records {
		if of.Counts(&records[i]) {
			counting = append(counting, records[i])
		}
	}
	columns := of.Fold(counting)
	rows := make([]row, len(counting))
	for i := range counting {
		fields := make(map[string]any, len(columns))
		for _, column := range columns {
			value, err := cell(column, i)
			if err != nil {
				return nil, err
			}
			fields[column.Name] = value
		}
		value, err := json.Marshal(fields)
		if err != nil {
			return nil, fmt.Errorf("the revenue of %v as JSON: %w", counting[i].Position, err)
		}
		rows[i] = row{[]byte(counting[i].Event.Key()), value}
	}
	return rows, nil
}

// cell is a column's value in a row, as ClickHouse reads it from JSON.
func cell(column proto.InputColumn, i int) (any, error) {
	switch data := column.Data.(type) {
	case interface{ Row(i int) string }:
		return data.Row(i), nil
	case interface{ Row(i int) uuid.UUID }:
		return data.Row(i), nil
	case interface{ Row(i int) time.Time }:
		return data.Row(i).UTC().Format("2006-01-02 15:04:05.000000"), nil
	case interface{ Row(i int) proto.Decimal128 }:
		return signed(data.Row(i)), nil
	default:
		return nil, fmt.Errorf("the column %s of revenue is a %T, which has no JSON here", column.Name, data)
	}
}

// signed is an amount in two's complement.
func signed(d proto.Decimal128) json.Number {
	if d.High>>63 == 0 {
		return json.Number(ledger.Amount{Hi: d.High, Lo: d.Low}.String())
	}
	lo, borrow := bits.Sub64(0, d.Low, 0)
	hi, _ := bits.Sub64(0, d.High, borrow)
	return "-" + json.Number(ledger.Amount{Hi: hi, Lo: lo}.String())
}
