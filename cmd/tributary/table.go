package main

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// align says where a column's cells stand.
type align int

const (
	left align = iota
	right
	point // decimals, one below the other at the point
)

// table is rows of cells for people, in columns as wide as their widest cell.
type table struct {
	headers []string
	aligns  []align
	rows    [][]string
}

// newTable makes a table with these headers. One that begins with > is of a column whose cells stand right, one with . of
// a column of decimals.
func newTable(headers ...string) *table {
	t := &table{headers: make([]string, len(headers)), aligns: make([]align, len(headers))}
	for i, header := range headers {
		switch {
		case strings.HasPrefix(header, ">"):
			t.aligns[i] = right
		case strings.HasPrefix(header, "."):
			t.aligns[i] = point
		}
		t.headers[i] = strings.TrimLeft(header, ">.")
	}
	return t
}

// row adds a row. What could disturb a terminal is made visible instead.
func (t *table) row(cells ...string) {
	clean := make([]string, len(t.headers))
	for i := range clean {
		if i < len(cells) {
			clean[i] = printable(cells[i])
		}
	}
	t.rows = append(t.rows, clean)
}

// String lays the table out, with a line's end after each row.
func (t *table) String() string {
	for i, a := range t.aligns {
		if a == point {
			t.alignPoints(i)
		}
	}
	widths := make([]int, len(t.headers))
	for _, row := range append([][]string{t.headers}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, row := range append([][]string{t.headers}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.aligns[i] == left {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
			line.WriteString("  ")
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}

// drop takes a column away.
func (t *table) drop(header string) {
	i := slices.Index(t.headers, header)
	t.headers, t.aligns = slices.Delete(t.headers, i, i+1), slices.Delete(t.aligns, i, i+1)
	for n := range t.rows {
		t.rows[n] = slices.Delete(t.rows[n], i, i+1)
	}
}

// dropSame takes those of these columns away in which each cell is this one: they tell nobody anything.
func (t *table) dropSame(cell string, headers ...string) *table {
	for _, header := range headers {
		i := slices.Index(t.headers, header)
		if !slices.ContainsFunc(t.rows, func(row []string) bool { return row[i] != cell }) {
			t.drop(header)
		}
	}
	return t
}

// alignPoints pads a column's decimals behind, so that standing right they meet at the point.
func (t *table) alignPoints(column int) {
	longest := 0
	for _, row := range t.rows {
		longest = max(longest, fractionWidth(row[column]))
	}
	for _, row := range t.rows {
		row[column] += strings.Repeat(" ", longest-fractionWidth(row[column]))
	}
}

// fractionWidth counts the point and what follows it.
func fractionWidth(decimal string) int {
	if at := strings.IndexByte(decimal, '.'); at >= 0 {
		return len(decimal) - at
	}
	return 0
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// thousands sets commas into the whole part of a decimal: 1,234,567.89.
func thousands(decimal string) string {
	digits, negative := strings.CutPrefix(decimal, "-")
	whole, fraction, has := strings.Cut(digits, ".")
	const group = 3
	var out strings.Builder
	if negative {
		out.WriteByte('-')
	}
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%group == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(digit)
	}
	if has {
		out.WriteString("." + fraction)
	}
	return out.String()
}

func (a *app) printTable(t *table) error { return a.printf("%s", t) }

// tableWidth is how wide a table with sentences in it may be.
const tableWidth = 100

// fit cuts the last column, where sentences stand, so that rows are not wider than this.
func (t *table) fit(width int) *table {
	last := len(t.headers) - 1
	for column := range last {
		widest := utf8.RuneCountInString(t.headers[column])
		for _, row := range t.rows {
			widest = max(widest, utf8.RuneCountInString(row[column]))
		}
		width -= widest + 2 //nolint:mnd // two spaces stand between columns
	}
	const least = 24
	width = max(width, least)
	for _, row := range t.rows {
		if cell := []rune(row[last]); len(cell) > width {
			row[last] = string(cell[:width-1]) + "…"
		}
	}
	return t
}
