package main

import "strings"

// colour is a way to write on a terminal, as it is sent there.
type colour string

const (
	plain  colour = ""
	dim    colour = "2"
	bold   colour = "1"
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	cyan   colour = "36"
)

// colours tells whether facts are written in colour: to a terminal that can, unless NO_COLOR says no.
func (a *app) colours() bool {
	if no, _ := lookup(a.environ, "NO_COLOR"); no != "" {
		return false
	}
	term, _ := lookup(a.environ, "TERM")
	return term != "dumb" && isTerminal(a.stdout)
}

// painter paints, or not.
type painter bool

func (p painter) paint(c colour, text string) string {
	if !p || c == plain || text == "" {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// typeColour is what kind of news an event is: money that came, money that went back, trouble, or none of these.
func typeColour(short string) colour {
	switch {
	case strings.Contains(short, "failed"), strings.Contains(short, "cancelled"), strings.Contains(short, "lost"):
		return red
	case strings.Contains(short, "refund"), strings.Contains(short, "dispute"), strings.Contains(short, "reversed"),
		strings.Contains(short, "returned"), strings.Contains(short, "expired"):
		return yellow
	case strings.HasSuffix(short, ".posted"), strings.HasSuffix(short, "confirmed"), strings.HasSuffix(short, ".received"),
		strings.HasSuffix(short, ".sent"):
		return green
	default:
		return cyan
	}
}
