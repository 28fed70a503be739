package stacktest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// ClickHouse gives the test an empty server of its own and returns its URL; it ends with the test, and its data too. A start takes a few
// tenths of a second.
func ClickHouse(t testing.TB) string {
	t.Helper()
	return ClickHouseServer(t).URL()
}

// ClickHouseServer is ClickHouse, with a handle to kill, pause and restart the server.
func ClickHouseServer(t testing.TB) *devstack.ClickHouse {
	t.Helper()
	return ownClickHouse(t, devstack.ClickHouseOptions{Small: true})
}

// ClickHouseWith is ClickHouseServer, with more settings in its users' profile.
func ClickHouseWith(t testing.TB, settings map[string]string) *devstack.ClickHouse {
	t.Helper()
	return ownClickHouse(t, devstack.ClickHouseOptions{Small: true, Settings: settings})
}

// LargeClickHouse is as ClickHouseServer, with the memory that `tributary dev` gives its server: for benchmarks.
func LargeClickHouse(t testing.TB) *devstack.ClickHouse {
	t.Helper()
	return ownClickHouse(t, devstack.ClickHouseOptions{})
}

func ownClickHouse(t testing.TB, options devstack.ClickHouseOptions) *devstack.ClickHouse {
	t.Helper()
	options.Home = Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	server, err := devstack.StartClickHouse(ctx, options)
	require.NoError(t, err)
	t.Cleanup(func() { // nobody wants its data any more, so there is no need to stop in order
		require.NoError(t, server.Kill())
		stopped(t, server)
	})
	return server
}
