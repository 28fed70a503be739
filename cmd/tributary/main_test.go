package main

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// stopVariable makes the program, as programVariable starts it, say so and stand still before a step of this name: there it is killed.
const stopVariable = "TRIBUTARY_TEST_STOP_BEFORE"

func stoppable() int {
	at, asked := os.LookupEnv(stopVariable)
	if !asked {
		return interruptible()
	}
	return run(context.Background(), world{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(),
		step: func(_ context.Context, next string) error {
			if next == at {
				_, _ = fmt.Fprintln(os.Stderr, stoodStill+next)
				select {}
			}
			return nil
		},
	})
}

const stoodStill = "standing still before "

// programVariable makes this test binary be the program itself: tests that kill processes start it so.
const programVariable = "TRIBUTARY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	devstack.RunChildIfAsked()
	if os.Getenv(programVariable) != "" {
		os.Exit(stoppable())
	}
	stacktest.Main(m)
}
