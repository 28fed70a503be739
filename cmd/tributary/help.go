package main

import (
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// newHelpCommand is for those who write help first; it prints what --help does.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "help [COMMAND…]",
		Short:  "Show the help of a command, as --help does",
		Hidden: true,
		RunE: func(command *cobra.Command, args []string) error {
			found, unknown, err := command.Root().Find(args)
			if err != nil || len(unknown) > 0 {
				return usagef("there is no command %q", strings.Join(args, " "))
			}
			found.InitDefaultHelpFlag()
			return found.Help()
		},
	}
}

// noArgs refuses words after a command that only has commands of its own, and guesses which one was meant.
func noArgs(command *cobra.Command, args []string) error {
	err := cobra.NoArgs(command, args)
	if err == nil {
		return nil
	}
	command.SuggestionsMinimumDistance = 2
	if near := command.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("%w: did you mean \"%s\"?", err, strings.Join(near, `" or "`))
	}
	return usageError{err}
}

// helpWidth is a terminal's that is not wide.
const helpWidth = 98

// wrapHelp fits the texts of all commands to a terminal, so that in the source they may be written as they come.
func wrapHelp(command *cobra.Command) {
	command.Long = wrap(command.Long, helpWidth)
	for _, child := range command.Commands() {
		wrapHelp(child)
	}
}

// wrap breaks paragraphs anew. Lines that are indented stay as they are.
func wrap(text string, width int) string {
	var out []string
	var words []string
	flush := func() {
		out = append(out, fill(words, width)...)
		words = nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			flush()
			out = append(out, line)
			continue
		}
		words = append(words, strings.Fields(line)...)
	}
	flush()
	return strings.Join(out, "\n")
}

// fill puts words into lines.
func fill(words []string, width int) []string {
	var lines []string
	line := ""
	for _, word := range words {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
