package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// addCompletion gives the root cobra's completion command, with examples.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, command := range root.Commands() {
		if command.Name() != "completion" {
			continue
		}
		command.Short = "Print a script that completes commands in your shell"
		command.Example = "  source <(tributary completion bash)"
		for _, shell := range command.Commands() {
			shell.Example = "  tributary completion " + shell.Name() + " > tributary." + shell.Name()
		}
	}
}

// completeProjections offers the names of projections that are not on the line yet.
func completeProjections(_ *cobra.Command, args []string, toComplete string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, name := range projectionNames() {
		if strings.HasPrefix(name, toComplete) && !slices.Contains(args, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// noCompletion keeps the shell from offering files where none is meant.
func noCompletion(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}
