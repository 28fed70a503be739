package queries

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tributary-ledger/tributary/ledger"
)

// Page is the input of a list.
type Page struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"At most so many on a page."`
	Cursor string `query:"cursor" maxLength:"4096" doc:"The next of the page before; without it, the first page."`
}

// place is where a page ended: the columns by which its list is ordered.
type place struct {
	At        time.Time `json:"t"`
	ID        string    `json:"i,omitempty"`
	Topic     string    `json:"l,omitempty"`
	Partition int32     `json:"p,omitempty"`
	Offset    int64     `json:"o,omitempty"`
	Entry     int32     `json:"e,omitempty"`
}

func (p place) String() string {
	text, err := json.Marshal(p)
	if err != nil {
		return "" // A year past 9999, which no event has.
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// after is where the page before ended; nil for the first page.
func (p *Page) after() (*place, error) {
	if p.Cursor == "" {
		return nil, nil //nolint:nilnil // the first page is behind nothing
	}
	text, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	var at place
	if err == nil {
		err = json.Unmarshal(text, &at)
	}
	if err != nil || !isText(at.ID) || !isText(at.Topic) {
		return nil, invalid("query.cursor", "it is not the next of a page")
	}
	return &at, nil
}

// cut takes the row that was read beyond the page, and says where the next page begins; "" where this is the last.
func cut[T any](rows []T, limit int, placeOf func(*T) place) (page []T, next string) {
	if len(rows) <= limit {
		return rows, ""
	}
	return rows[:limit], placeOf(&rows[limit-1]).String()
}

// isText tells whether a store takes a text, and an event can have it.
func isText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }

// instant reads a moment; a day is when it begins in the zone. A plus sign that was not escaped came as a space.
func instant(path, text string, zone *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := ledger.ParseTime(strings.ReplaceAll(text, " ", "+")); err == nil {
		return at, nil
	}
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return day.UTC(), nil
	}
	return time.Time{}, invalid(path, "want a day such as 2026-03-31, or a time such as 2026-03-31T14:00:00Z")
}

// until reads the last moment that counts; a day counts whole.
func until(path, text string, zone *time.Location) (time.Time, error) {
	if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		return day.AddDate(0, 0, 1).Add(-time.Microsecond).UTC(), nil
	}
	return instant(path, text, zone)
}

// zoneOf is a time zone by its name.
func zoneOf(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || !ledger.IsTimeZone(name) {
		return nil, invalid("query.tz", "there is no such time zone; they are named as Europe/Paris is")
	}
	return zone, nil
}
