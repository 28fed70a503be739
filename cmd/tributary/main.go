package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// version is set when a release is built.
var version = "dev"

func main() {
	devstack.RunChildIfAsked()
	os.Exit(interruptible())
}

// interruptible runs the program under a context that the first Ctrl-C or SIGTERM ends; the second ends the process at once.
func interruptible() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return run(ctx, world{
		name: os.Args[0], args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		goal:    func(bytes int64) { debug.SetMemoryLimit(bytes) },
		garbage: func(percent int) { debug.SetGCPercent(percent) },
	})
}
