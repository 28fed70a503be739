package main

import (
	"os"
	"testing"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// programVariable makes this test binary be the program itself: tests that kill processes start it so.
const programVariable = "TRIBUTARY_TEST_PROGRAM"

func TestMain(m *testing.M) {
	devstack.RunChildIfAsked()
	if os.Getenv(programVariable) != "" {
		os.Exit(interruptible())
	}
	stacktest.Main(m)
}
