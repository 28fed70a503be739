package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/quarantine"
)

func newQuarantineCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "quarantine",
		Short: "Show what was refused and why, and publish again what is valid by now",
		Long:  `A record of the log that holds no valid event changes no book, and is kept in the quarantine with the reason.`,
		Example: `  tributary quarantine list
  tributary quarantine show payments/3@1042
  tributary quarantine release --reason unknown_type`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	command.AddCommand(newQuarantineListCommand(a), newQuarantineShowCommand(a), newQuarantineReleaseCommand(a))
	return command
}

func newQuarantineListCommand(a *app) *cobra.Command {
	var filter quarantine.Filter
	command := &cobra.Command{
		Use:   "list",
		Short: "List refused records, the latest first",
		Example: `  tributary quarantine list --reason bad_amount
  tributary quarantine list --json | jq -r .event_id`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, _ []string) error {
			if filter.Limit < 1 {
				return usagef("--limit counts from 1")
			}
			if err := checkReason(filter.Reason); err != nil {
				return err
			}
			return a.listQuarantine(command.Context(), filter)
		},
	}
	command.Flags().StringVar(&filter.Reason, "reason", "", "only this reason, such as bad_amount")
	command.Flags().IntVar(&filter.Limit, "limit", 50, "show at most so many lines") //nolint:mnd // a screenful
	ledgerFlag(command, &filter.Ledger, "")
	a.jsonFlag(command, `an object a line: ledger, topic, partition, kafka_offset, reason, path, message, event_id, recorded_at,
released_at, released_by, released_as, payload_bytes`)
	return command
}

// checkReason refuses a reason for which nothing can have been refused.
func checkReason(reason string) error {
	known := make([]string, 0, len(ledger.Codes()))
	for _, code := range ledger.Codes() {
		known = append(known, string(code))
	}
	if reason == "" || slices.Contains(known, reason) {
		return nil
	}
	return usagef("--reason is one of %s, not %q%s", strings.Join(known, ", "), reason, didYouMean(reason, known))
}

func (a *app) listQuarantine(ctx context.Context, filter quarantine.Filter) error {
	limit := filter.Limit
	filter.Limit++
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		found, err := quarantine.List(ctx, pool, filter)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			a.notef("nothing was refused")
			return nil
		}
		return printPage(a, found, limit, quarantineTable)
	})
}

func quarantineTable(rows []quarantine.Summary) *table {
	headers := []string{"POSITION", "RECORDED", "REASON", "WHERE", "MESSAGE"}
	released := slices.ContainsFunc(rows, func(r quarantine.Summary) bool { return r.ReleasedAt != nil })
	if released {
		headers = slices.Insert(headers, 2, "RELEASED")
	}
	listed := newTable(headers...)
	for i := range rows {
		r := &rows[i]
		cells := []string{r.Position().String(), shortTime(r.RecordedAt), r.Reason, r.Path, r.Message}
		if released {
			when := ""
			if r.ReleasedAt != nil {
				when = shortTime(*r.ReleasedAt)
			}
			cells = slices.Insert(cells, 2, when)
		}
		listed.row(cells...)
	}
	return listed.fit(tableWidth)
}

func newQuarantineShowCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "show POSITION",
		Short: "Show one refused record with all of its content",
		Example: `  tributary quarantine show payments/3@1042
  tributary quarantine show payments/3@1042 --json | jq -r .payload | base64 -d`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: noCompletion,
		RunE: func(command *cobra.Command, args []string) error {
			at, err := eventlog.ParsePosition(args[0])
			if err != nil {
				return usageError{err}
			}
			return a.showQuarantined(command.Context(), at)
		},
	}
	a.jsonFlag(command, `an object: what list prints, and key, headers (key, value), payload (bytes in base64)`)
	return command
}

func (a *app) showQuarantined(ctx context.Context, at eventlog.Position) error {
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		record, err := quarantine.Get(ctx, pool, at)
		if err != nil {
			return noSuch("quarantined record at", at.String(), "", err)
		}
		if a.asJSON {
			return a.printJSON(record)
		}
		return a.printf("%s", quarantinedText(&record))
	})
}

func quarantinedText(r *quarantine.Record) string {
	var out strings.Builder
	line := func(name, value string) { fmt.Fprintf(&out, "%-10s %s\n", name, printable(value)) }
	line("position", r.Position().String())
	line("recorded", shortTime(r.RecordedAt)+" UTC")
	line("reason", r.Reason)
	if r.Path != "" {
		line("where", r.Path)
	}
	line("message", r.Message)
	if r.EventID != nil {
		line("event id", *r.EventID)
	}
	if r.ReleasedAt != nil {
		line("released", shortTime(*r.ReleasedAt)+" UTC by "+text(r.ReleasedBy)+" as "+positionText(text(r.ReleasedAs)))
	}
	if r.Key != nil {
		line("key", readableBytes(r.Key))
	}
	for i := range r.Headers {
		line("header", r.Headers[i].Key+" = "+readableBytes(r.Headers[i].Value))
	}
	fmt.Fprintf(&out, "payload    %s bytes\n%s\n", count(r.PayloadBytes), payloadText(r.Payload))
	return out.String()
}

// positionText is a position that a table has, as people type it.
func positionText(stored string) string {
	if at, err := eventlog.ParsePosition(stored); err == nil {
		return at.String()
	}
	return stored
}

// payloadText shows JSON indented, other text as it is, and bytes in hexadecimal; the beginning of what is long.
func payloadText(payload []byte) string {
	const most = 4 << 10
	var indented bytes.Buffer
	if json.Indent(&indented, payload, "  ", "  ") == nil {
		payload = indented.Bytes()
	}
	rest := ""
	if len(payload) > most {
		payload, rest = payload[:most], "\n  … --json has all of it"
	}
	if !utf8.Valid(payload) {
		return fmt.Sprintf("  % x%s", payload, rest)
	}
	lines := strings.Split(string(payload), "\n")
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	return "  " + strings.Join(lines, "\n") + rest
}

func readableBytes(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return fmt.Sprintf("% x", b)
}

// sumCounts adds up and names counts: "12, 1 of them released (bad_amount 10, bad_id 2)".
func sumCounts(counts map[string]int, released int64) string {
	total := 0
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		total += counts[key]
	}
	if total == 0 {
		return "0"
	}
	of := ""
	if released > 0 {
		of = fmt.Sprintf(", %s of them released", count(released))
	}
	return fmt.Sprintf("%s%s (%s)", count(total), of, byCode(counts))
}
