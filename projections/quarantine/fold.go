package quarantine

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// row is a quarantined record as the table has it.
type row struct {
	topic      string
	partition  int32
	offset     int64
	recordedAt time.Time
	// ledger is empty where the record's cannot be read.
	ledger                string
	reason, path, message string
	eventID               string
	key, payload          []byte
	headers               []byte // A JSON array of Header.
}

// Header is a header of a quarantined record. Key and Text are for reading, the others lose nothing.
type Header struct {
	// Key is the header's name; bytes that are no text are replaced.
	Key string `json:"key"`
	// KeyBytes is the name byte for byte (base64 in JSON), where Key is not.
	KeyBytes []byte `json:"key_bytes,omitempty"`
	// Text is the value, where it is text.
	Text *string `json:"text,omitempty"`
	// Value is the value byte for byte (base64 in JSON); null where the header has none.
	Value []byte `json:"value"`
}

// fold is pure.
func fold(record *eventlog.Record) row {
	r := record.Rejected
	return row{
		topic: readable(record.Topic), partition: record.Partition, offset: record.Offset, recordedAt: record.RecordedAt,
		ledger: ledgerOf(r), reason: string(r.Invalid.Code), path: readable(r.Invalid.Path), message: readable(r.Invalid.Message),
		eventID: readable(r.EventID), key: r.Key, payload: r.Payload, headers: headers(r.Headers),
	}
}

func headers(all []eventlog.Header) []byte {
	list := make([]Header, len(all))
	for i, h := range all {
		list[i] = Header{Key: readable(h.Key), Value: h.Value}
		if list[i].Key != h.Key {
			list[i].KeyBytes = []byte(h.Key)
		}
		if text := string(h.Value); h.Value != nil && isText(text) {
			list[i].Text = &text
		}
	}
	doc, err := json.Marshal(list)
	if err != nil {
		panic(err) // Strings and bytes have a form in JSON.
	}
	return doc
}

// isText tells whether Postgres can hold s as text, and as a string within jsonb.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// readable is s with what is no text in it replaced: U+FFFD for bytes that are no UTF-8, the symbol ␀ for NUL.
func readable(s string) string {
	if isText(s) {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, string(utf8.RuneError)), "\x00", "␀")
}

// ledgerOf is the ledger that the record names, or that it means by naming none: empty where there is no envelope that
// can be read.
func ledgerOf(r *eventlog.Rejection) string {
	name, enveloped := "", false
	for _, h := range r.Headers {
		switch h.Key {
		case "ce_ledger":
			name, enveloped = string(h.Value), true
		case "ce_id", "ce_type", "ce_specversion":
			enveloped = true
		}
	}
	if !enveloped {
		var doc struct {
			SpecVersion string `json:"specversion"`
			Ledger      string `json:"ledger"`
		}
		if json.Unmarshal(r.Payload, &doc) != nil || doc.SpecVersion == "" {
			return ""
		}
		name = doc.Ledger
	}
	switch {
	case name == "":
		return ledger.DefaultLedger
	case isLedger(name):
		return strings.Clone(name)
	default:
		return ""
	}
}

// isLedger tells whether a ledger can have that name.
func isLedger(name string) bool {
	const longest = 40
	return len(name) <= longest && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
