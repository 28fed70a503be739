package docs_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// columns are those of every view that readers see, with what the migrations say of them.
const columns = `
	SELECT c.relname, coalesce(obj_description(c.oid, 'pg_class'), ''), a.attname,
	       replace(format_type(a.atttypid, a.atttypmod), 'timestamp with time zone', 'timestamptz'),
	       coalesce(col_description(c.oid, a.attnum), '')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'books'
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relkind IN ('v', 'm')
	ORDER BY c.relname, a.attnum`

// viewTables describes the views of a database that the program has migrated.
func viewTables(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	rows, err := conn.Query(t.Context(), columns)
	require.NoError(t, err)
	var described []column
	var c column
	_, err = pgx.ForEachRow(rows, []any{&c.view, &c.viewComment, &c.name, &c.kind, &c.comment}, func() error {
		c.database = "books"
		described = append(described, c)
		return nil
	})
	require.NoError(t, err)
	return sections(described)
}

// revenueColumns are those of every view of ClickHouse that readers see, but for those that ask for a time zone: these have the same.
const revenueColumns = `
	SELECT table, tables.comment, columns.name, columns.type, columns.comment
	FROM system.columns AS columns JOIN system.tables AS tables ON tables.database = columns.database AND tables.name = table
	WHERE database = 'revenue' AND engine = 'View' AND NOT endsWith(table, '_in')
	ORDER BY indexOf(['events', 'posts', 'by_hour', 'by_day', 'by_month', 'by_day_of_week', 'by_day_of_year'], table), position
	FORMAT TabSeparatedRaw`

// revenueTables describes the views of ClickHouse.
func revenueTables(t *testing.T, w warehouse) string {
	t.Helper()
	var described []column
	for line := range strings.SplitSeq(w.ask(t, block{page: "revenue"}, revenueColumns), "\n") {
		fields := strings.Split(line, "\t")
		require.Len(t, fields, 5, line)
		described = append(described, column{"revenue", fields[0], fields[1], fields[2], fields[3], fields[4]})
	}
	return sections(described)
}

// column is one that readers see, of one of a database's views.
type column struct{ database, view, viewComment, name, kind, comment string }

// sections are a section a view, with a table of its columns. Columns come view by view.
func sections(all []column) string {
	means := columnMeanings()
	var text strings.Builder
	for len(all) > 0 {
		first := all[0]
		fmt.Fprintf(&text, "### `%s.%s`\n\n%s\n\n", first.database, first.view, first.viewComment)
		var rows [][]string
		for len(all) > 0 && all[0].view == first.view {
			c := all[0]
			meaning := cmp.Or(c.comment, means[c.view+"."+c.name], means[c.database+"."+c.name], means[c.name])
			rows = append(rows, []string{code(c.name), c.kind, meaning})
			all = all[1:]
		}
		text.WriteString(table([]string{"column", "type", "what it is"}, rows) + "\n")
	}
	return text.String()
}

// columnMeanings say what columns are, by view and name, or by name where they mean the same everywhere.
func columnMeanings() map[string]string {
	return map[string]string{
		"ledger":         "whose books",
		"account":        "such as `merchant:acme:payable`",
		"asset_code":     "such as `EUR`",
		"topic":          "of the record",
		"partition":      "of the record",
		"kafka_offset":   "of the record",
		"event_id":       "the event's identity",
		"occurred_at":    "the event's time",
		"recorded_at":    "the log's time",
		"merchant_id":    "whose sale it is",
		"user_id":        "who pays",
		"provider":       "of the payment",
		"payment_type":   "credit, debit, crypto, wallet or transfer",
		"payment_id":     "the subject of its events",
		"receipt_id":     "the payment_id where the posting named none",
		"transaction_id": "the provider's",
		"amount":         "in whole units",
		"fee":            "the platform's, out of the amount",
		"refunded":       "the sum of what went back",
		"updated_at":     "the latest event's time",
		"reason":         "in the producer's words",
		"state":          "see above",
		"chain":          "such as `dash`",
		"txid":           "the transaction on the chain",
		"vout":           "the output of the transaction",

		"account_balances.debits":  "all debits; only grows",
		"account_balances.credits": "all credits; only grows",
		"account_balances.balance": "their difference, positive on the account's normal side",

		"conflicts.topic":             "of the event that was refused",
		"conflicts.partition":         "of the event that was refused",
		"conflicts.kafka_offset":      "of the event that was refused",
		"conflicts.kept_topic":        "of the event that counts",
		"conflicts.kept_partition":    "of the event that counts",
		"conflicts.kept_kafka_offset": "of the event that counts",
		"conflicts.kept":              "the event that counts",
		"conflicts.refused":           "the event that does not",

		"entries.entry":      "number of the posting within the event, from 0",
		"entries.direction":  "debit or credit",
		"entries.event_type": "such as `tributary.payment.posted.v1`",
		"entries.reference":  "the event's subject",

		"payments.disputed":   "what is disputed or was lost",
		"payments.started_at": "time of payment.started",
		"payments.posted_at":  "time of payment.posted",

		"receipts.lines":     "an array of {sku, description, quantity, unit_price}, as they stood in the event",
		"receipts.issued_at": "time of payment.posted",
		"receipts.version":   "grows with each posting and refund",

		"refunds.refund_id":    "the refund's own id",
		"refunds.fee_returned": "what the platform gave back of its fee",
		"refunds.occurred_at":  "time of the event that decided the state",

		"repeated_transactions.payment_ids": "those that name it, one for each posting",

		"progress.projection":  "its name",
		"progress.generation":  "the build that is shown",
		"progress.partition":   "of the topic",
		"progress.topic":       "that it reads",
		"progress.next_offset": "everything below it is in; of the revenue, rows past it may be in too",
		"progress.recorded_at": "the log's time of the last record that is in",

		"quarantine.reason":      "one of the [codes](events.md#why-an-event-is-refused)",
		"quarantine.path":        "of the field",
		"quarantine.message":     "what is wrong, and what would mend it",
		"quarantine.event_id":    "what the record claims, where it can be read",
		"quarantine.key":         "the record's key",
		"quarantine.released_at": "null until it is published again",

		"receiver_id":    "the subject of its events",
		"address":        "that waits for the payment",
		"instant_locked": "whether the chain's quick lock held it",

		"receivers.asset_code":   "what is asked for, such as `DASH`",
		"receivers.amount_due":   "what is asked for; zero asks for any amount",
		"receivers.pending":      "detected and not confirmed, in the asset of the amount due",
		"receivers.confirmed":    "confirmed, in the asset of the amount due",
		"receivers.amount_fiat":  "the price in money of a state",
		"receivers.fiat_code":    "whose money",
		"receivers.base_fiat":    "the rate: one unit of the crypto asset in fiat",
		"receivers.callback_url": "who is told",
		"receivers.expires_at":   "when the offer is to end",
		"receivers.created_at":   "time of receiver.created",
		"receivers.merchant_id":  "who is paid",

		"receiver_payments.state":        "detected, confirmed or reversed",
		"receiver_payments.detected_at":  "time of the earliest detection",
		"receiver_payments.confirmed_at": "time of the earliest confirmation",
		"receiver_payments.late":         "first seen when the receiver had expired",

		"orphans.kind":      "what kind of event misses something",
		"orphans.reference": "what the event is about",
		"orphans.missing":   "what is not known",
	}
}
