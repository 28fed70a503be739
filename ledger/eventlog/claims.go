package eventlog

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"
)

// Claims is what a record that is no valid event says of itself, where it can be read. Nothing of it was checked but that it
// is text; what cannot be read is empty.
type Claims struct {
	ID, Type, Source, Subject, Ledger string
}

// Claims reads what the record says of itself: its ce_ headers and, where it has no type there, the attributes of its JSON.
func (r *Rejection) Claims() Claims {
	var c Claims
	for _, h := range r.Headers {
		switch h.Key {
		case "ce_id":
			c.ID = claimed(h.Value)
		case "ce_type":
			c.Type = claimed(h.Value)
		case "ce_source":
			c.Source = claimed(h.Value)
		case "ce_subject":
			c.Subject = claimed(h.Value)
		case "ce_ledger":
			c.Ledger = claimed(h.Value)
		}
	}
	if c.Type == "" {
		c.document(unframe(r.Payload))
	}
	if c.ID == "" {
		c.ID = r.EventID
	}
	return c
}

// document reads the attributes of a CloudEvents document, each by itself: what is wrong with one is no reason to lose another.
func (c *Claims) document(doc []byte) {
	if !isObject(doc) {
		return
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(doc, &members) != nil {
		return
	}
	for name, to := range map[string]*string{
		"id": &c.ID, "type": &c.Type, "source": &c.Source, "subject": &c.Subject, "ledger": &c.Ledger,
	} {
		var text string
		if json.Unmarshal(members[name], &text) == nil && *to == "" {
			*to = claimed([]byte(text))
		}
	}
}

// Subjects are the things that the record may be about, each once: its key, its subject, and the fields of its data that a
// subject is made of.
func (r *Rejection) Subjects() []string {
	names := []string{claimed(r.Key), r.Claims().Subject}
	if doc := unframe(r.Payload); isObject(doc) {
		var document struct {
			Data json.RawMessage `json:"data"`
		}
		names = namesIn(names, doc)
		if json.Unmarshal(doc, &document) == nil {
			names = namesIn(names, document.Data)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

// namesIn appends the fields that name things.
func namesIn(names []string, doc []byte) []string {
	var members map[string]json.RawMessage
	if json.Unmarshal(doc, &members) != nil {
		return names
	}
	for _, field := range []string{"payment_id", "receiver_id", "plugin_id", "journal_id", "payout_id", "settlement_id"} {
		var text string
		if json.Unmarshal(members[field], &text) == nil {
			names = append(names, claimed([]byte(text)))
		}
	}
	return names
}

// claimed is an attribute where people can read it, else nothing; it shares no memory with the record.
func claimed(value []byte) string {
	const longest = 1024
	if len(value) > longest || !utf8.Valid(value) || bytes.IndexByte(value, 0) >= 0 {
		return ""
	}
	return string(value)
}
