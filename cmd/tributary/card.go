package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// card is one thing for people: its fields by name, a line each.
type card struct{ names, values []string }

// add adds a field; an empty one is left out.
func (c *card) add(name, value string) {
	if value != "" {
		c.names, c.values = append(c.names, name), append(c.values, printable(value))
	}
}

// String lays the card out, with a line's end after each field.
func (c *card) String() string {
	width := 0
	for _, name := range c.names {
		width = max(width, utf8.RuneCountInString(name))
	}
	var out strings.Builder
	for i, name := range c.names {
		fmt.Fprintf(&out, "%-*s  %s\n", width, name, c.values[i])
	}
	return out.String()
}

// text is what p points to, or nothing.
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// when is a time as cards show it, or nothing.
func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return shortTime(*t) + " UTC"
}

// money is an amount with its asset, or nothing where there is none.
func money(f *figures, asset, amount string) string {
	if amount == "" {
		return ""
	}
	return strings.TrimSpace(f.show(asset, amount) + " " + asset)
}
