package stacktest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// Stack gives the test a whole stack of its own: small, on free ports, in a folder of its own unless options name one. It ends with the
// test.
func Stack(t testing.TB, options devstack.Options) *devstack.Stack {
	t.Helper()
	if options.Data == "" {
		options.Data = Dir(t)
	}
	options.Small, options.Ports = true, devstack.PortsAuto
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	stack, err := devstack.Start(ctx, options)
	require.NoError(t, err)
	t.Cleanup(func() { stopped(t, stack) })
	return stack
}
