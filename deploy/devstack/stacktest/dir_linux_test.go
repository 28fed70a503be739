package stacktest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFoldersOfKilledTestsGoWithWhatIsMountedThere(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	left := filepath.Join(os.TempDir(), homePrefix+"killed")
	disk := filepath.Join(left, "disk")
	require.NoError(t, os.MkdirAll(disk, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(left, lockName), nil, 0o600))
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4096"); err != nil {
		t.Logf("NOT TESTED: mounts, which take root: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, syscall.MNT_DETACH) })
	sweepHomes()
	require.NoDirExists(t, left)
}
