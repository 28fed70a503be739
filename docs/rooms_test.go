package docs_test

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryRoomSaysWhatItIsFor: a package's comment stands in its doc.go, where a newcomer looks for it. A package of tests has
// none, and an example is a file to copy.
func TestEveryRoomSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	rooms := map[string]bool{}
	err := fs.WalkDir(os.DirFS(root), ".", func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != "." && (strings.HasPrefix(entry.Name(), ".") || slices.Contains(
			[]string{"bin", "examples", "node_modules", "testdata"}, entry.Name())):
			return fs.SkipDir
		case strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go"):
			rooms[path.Dir(file)] = rooms[path.Dir(file)] || entry.Name() == "doc.go"
		}
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, rooms, "ledger/eventlog")
	for _, room := range slices.Sorted(maps.Keys(rooms)) {
		require.True(t, rooms[room], "%s has no doc.go", room)
	}
}
