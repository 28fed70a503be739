package clickhouse_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/projections"
)

// A full disk is an affair of the server: the batch waits until there is room, and is in once.
func TestAFullDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=512m"); err != nil {
		t.Skipf("NOT TESTED: a full disk. It takes a small file system, which only root may mount: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(disk, syscall.MNT_DETACH)) })
	server, err := devstack.StartClickHouse(t.Context(), devstack.ClickHouseOptions{Home: filepath.Join(disk, "home"), Small: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Kill()) })
	h := newHarness(t, server.URL())
	l := newLog(3_000)
	a := own(t, h.Open(t, 0, nil), l)
	a.persist(t, a.prepare(t, 1_000))
	a.passed(1_000)
	change := a.prepare(t, 2_000)
	filler := filepath.Join(disk, "filler")
	fill(t, filler)
	for range 3 {
		_, err = change.Commit(t.Context())
		require.Error(t, err)
		var refused *projections.RefusedError
		require.NotErrorAs(t, err, &refused)
		t.Log(err)
	}
	require.Len(t, h.Rows(t), 1_000)
	require.NoError(t, os.Remove(filler))
	a.persist(t, change)
	l.requireOnce(t, h)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	require.NoError(t, err)
	defer file.Close() //nolint:errcheck // It is full.
	block := make([]byte, 4<<10)
	for err == nil {
		_, err = file.Write(block)
	}
	require.ErrorIs(t, err, syscall.ENOSPC)
}
