package measure

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Print writes the report as a table for people.
func (r *Report) Print(to io.Writer) error {
	model := ""
	if r.Machine.Model != "" {
		model = " of " + r.Machine.Model
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "\n%d processors%s, Kafka %s, %s; rounds: %d; %.0f s\n\n",
		r.Machine.Processors, model, r.Kafka, r.Fill, r.Rounds, r.Seconds)
	if _, err := to.Write(text.Bytes()); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	text.Reset()
	fmt.Fprintln(&text, "MEASURE\tRATE\tUNIT\tSPREAD\tRATIO\tAGAINST\tGOAL\tMET\tPEAK RSS")
	for i := range r.Lines {
		l := &r.Lines[i]
		if len(l.Results) == 0 {
			why, _, _ := strings.Cut(l.Missing+l.Failed, "\n")
			fmt.Fprintf(&text, "%s\t–\t%s\t\t\t\t\t\t%s\n", l.Name, l.Unit, why)
			continue
		}
		fmt.Fprintf(&text, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Name, Figure(l.Rate), l.Unit, l.spread(), l.ratio(), l.against(),
			l.GoalText(), l.met(), megabytes(l.PeakRSS))
	}
	return Columns(to, text.Bytes())
}

// Columns prints text with its tabs made columns.
func Columns(to io.Writer, text []byte) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, err := table.Write(text)
	if err = errors.Join(err, table.Flush()); err != nil {
		return fmt.Errorf("print a table: %w", err)
	}
	return nil
}

func (l *Line) spread() string {
	if len(l.Results) < 2 { //nolint:mnd // of one there is none
		return ""
	}
	return fmt.Sprintf("±%.0f%%", 50*l.Spread)
}

func (l *Line) ratio() string {
	if l.Ratio == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", l.Ratio)
}

// against says what is divided by what.
func (l *Line) against() string {
	switch {
	case l.Ratio == 0:
		return ""
	case l.Of == Peer:
		return "= " + l.Against + " ÷ this"
	default:
		return "÷ " + l.Against
	}
}

// GoalText is the goal with its sign, empty where there is none.
func (l *Line) GoalText() string {
	if l.Goal == 0 && !l.Less {
		return ""
	}
	sign := "≥ "
	if l.Less {
		sign = "≤ "
	}
	if l.Against != "" {
		return sign + strconv.FormatFloat(l.Goal, 'g', -1, 64)
	}
	return sign + Figure(l.Goal)
}

func (l *Line) met() string {
	switch {
	case l.Met == nil:
		return ""
	case *l.Met:
		return "yes"
	default:
		return "NO"
	}
}

func megabytes(size int64) string {
	if size == 0 {
		return ""
	}
	return fmt.Sprintf("%d MiB", size>>20)
}

// Figure is a number with as many digits as say something: 114,203 and 12.3.
func Figure(number float64) string {
	const whole = 1000
	if number < whole {
		return strconv.FormatFloat(number, 'f', 1, 64)
	}
	digits := strconv.FormatInt(int64(number), 10)
	var out strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out.WriteByte(',')
		}
		out.WriteRune(digit)
	}
	return out.String()
}
