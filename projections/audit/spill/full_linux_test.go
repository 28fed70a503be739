package spill_test

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/projections/audit/spill"
)

// Who meets a full disk is told of which folder it is, and what to do.
func TestAFullDiskIsAnError(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("NOT TESTED: a full disk. It takes a small file system, which only root may mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	s := spill.New(disk, 0)
	var err error
	for order := uint64(0); err == nil && order < 1_000; order++ {
		err = s.Add(order, make([]byte, 100<<10))
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.ErrorContains(t, err, disk)
	require.ErrorContains(t, err, "TMPDIR")
	require.ErrorContains(t, err, "--memory")
	require.NoError(t, s.Close())
}
