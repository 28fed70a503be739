//go:build !static

package libchdb_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/libchdb"
)

// What the engine does when it is there, the tests of devstack show: it ends its process's other business.
func TestALibraryThatIsNotTheEngineIsRefused(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, libchdb.Run(filepath.Join(t.TempDir(), "libchdb.so")), "loading ClickHouse's engine from")
	others, err := filepath.Glob("/lib/*/libm.so.6")
	require.NoError(t, err)
	if len(others) == 0 {
		t.Skip("SKIPPED: no other library at hand")
	}
	require.ErrorContains(t, libchdb.Run(others[0]), "is not the engine that we know")
}
