package devstack_test

import (
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// plainUID is nobody, who owns nothing. (initdb insists on a user that has a name.)
const plainUID = 65534

// Two stacks of a plain user, who has installed nothing yet, start at once: one installs, the other waits for it.
func TestAPlainUserNeedsNothing(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: this user is plain already, so all other tests show it")
	}
	home, binary := plainHome(t)
	var group errgroup.Group
	for _, name := range []string{"one", "two"} {
		cmd := plain(t, binary, home, filepath.Join(home, name))
		cmd.Env = append(cmd.Env, roleEnv+"=user")
		group.Go(func() error {
			out, err := cmd.CombinedOutput()
			t.Logf("%s: %s", name, out)
			return err
		})
	}
	require.NoError(t, group.Wait())
	caches, err := filepath.Glob(filepath.Join(home, ".cache", "tributary", "servers-*", ".ready"))
	require.NoError(t, err)
	require.Len(t, caches, 1)
	rests, err := filepath.Glob(filepath.Join(home, ".cache", "tributary", ".install-*"))
	require.NoError(t, err)
	require.Empty(t, rests)
}

func TestWithoutNodeTheErrorSaysWhatToDo(t *testing.T) {
	t.Parallel()
	cmd := self(t, "installer", ".")
	cmd.Env = []string{roleEnv + "=installer", "TRIBUTARY_CACHE=" + stacktest.Dir(t), "PATH=/nonexistent"}
	out, err := cmd.Output()
	require.Error(t, err)
	require.Contains(t, string(out),
		"install Node.js 20 or newer with npm, or point TRIBUTARY_POSTGRES_URL and TRIBUTARY_CLICKHOUSE_URL at servers of your own")
}

func TestACacheThatTheServersUserCannotEnterIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root has servers of another user")
	}
	closed := stacktest.Dir(t)
	require.NoError(t, os.Chmod(closed, 0o700))
	cmd := self(t, "installer", ".")
	cmd.Env = append(cmd.Env, "TRIBUTARY_CACHE="+filepath.Join(closed, "cache"))
	out, err := cmd.Output()
	require.Error(t, err)
	require.Contains(t, string(out), "cannot be used")
}

// Root's home is closed to the user that Postgres runs as; a stack below it works all the same.
func TestDataInAClosedFolderWorksForRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root has servers of another user")
	}
	closed := stacktest.Dir(t)
	require.NoError(t, os.Chmod(closed, 0o700))
	cmd := self(t, "user", closed)
	out, err := cmd.Output()
	target, linkErr := os.Readlink(filepath.Join(closed, "data", "postgres"))
	require.NoError(t, linkErr)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(target)) })
	require.NoError(t, err, string(out))
	require.DirExists(t, filepath.Join(target, "data"))
}

// plainHome makes a home for a plain user, with a copy of this binary in it: go test keeps it where nobody else may look.
func plainHome(t *testing.T) (home, binary string) {
	t.Helper()
	home = stacktest.Dir(t)
	binary = filepath.Join(home, "program")
	path, err := os.Executable()
	require.NoError(t, err)
	from, err := os.Open(path)
	require.NoError(t, err)
	defer func() { _ = from.Close() }()
	to, err := os.OpenFile(binary, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	require.NoError(t, os.Chown(home, plainUID, plainUID))
	return home, binary
}

func plain(t *testing.T, binary, home, dir string) *osexec.Cmd {
	t.Helper()
	cmd := osexec.CommandContext(t.Context(), binary, dir)
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	cmd.Dir = home
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: plainUID, Gid: plainUID}}
	return cmd
}
