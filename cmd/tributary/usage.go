package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// plainFlagError says what a flag wants, where the parser of numbers would speak.
func plainFlagError(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok || strings.Contains(err.Error(), "out of range") {
		return err
	}
	flag := wrong.GetFlag()
	wants := map[string]string{
		"int": "a whole number", "int32": "a whole number", "int64": "a whole number",
		"uint": "a whole number from 0 on", "uint32": "a whole number from 0 on", "uint64": "a whole number from 0 on",
		"float64": "a number", "duration": "a duration such as 30s or 10m", "bool": "true or false",
	}[flag.Value.Type()]
	if wants == "" {
		return err
	}
	return usagef("--%s wants %s, and is %q", flag.Name, wants, wrong.GetValue())
}

// plainArgs makes all commands say by name what they want, where cobra would count arguments.
func plainArgs(command *cobra.Command) {
	for _, child := range command.Commands() {
		plainArgs(child)
	}
	check := command.Args
	if check == nil {
		return
	}
	command.Args = func(command *cobra.Command, args []string) error {
		err := check(command, args)
		if err == nil || !strings.HasPrefix(err.Error(), "accepts ") {
			return err
		}
		name, wanted, _ := strings.Cut(command.Use, " ")
		if len(args) > 0 {
			return usagef("%s wants fewer arguments than %d: %s %s", name, len(args), command.CommandPath(), wanted)
		}
		first, _, _ := strings.Cut(wanted, " ")
		return usagef("%s wants %s %s: %s %s", name, article(first), first, command.CommandPath(), wanted)
	}
}

func article(word string) string {
	if strings.ContainsAny(word[:min(1, len(word))], "AEIOU") {
		return "an"
	}
	return "a"
}
