package devstack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// serverUID is the user that Postgres runs as when we are root, for it refuses root; 65534 is nobody on every system.
const serverUID = 65534

// credential is who a server runs as: nil for ourselves.
func credential() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: serverUID, Gid: serverUID}
}

// cacheRoot returns an existing folder for installed servers that the servers' user can enter.
func cacheRoot() (string, error) {
	if dir := os.Getenv("TRIBUTARY_CACHE"); dir != "" {
		return cacheFromEnv(dir)
	}
	var candidates []string
	if dir, err := os.UserCacheDir(); err == nil {
		candidates = append(candidates, filepath.Join(dir, "tributary"))
	}
	if credential() != nil {
		candidates = append(candidates, "/var/cache/tributary")
	}
	candidates = append(candidates, filepath.Join(os.TempDir(), fmt.Sprintf("tributary-cache-%d", os.Geteuid())))
	return firstUsable(candidates)
}

func cacheFromEnv(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("TRIBUTARY_CACHE: %w", err)
	}
	if !usable(dir) {
		return "", fmt.Errorf("TRIBUTARY_CACHE=%s cannot be used: it must be yours, writable, but not by everybody, and, when you are root, "+
			"every folder above it open to user %d", dir, serverUID)
	}
	return dir, nil
}

func firstUsable(candidates []string) (string, error) {
	for _, dir := range candidates {
		if usable(dir) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no folder for the embedded servers can be written (tried %v): set TRIBUTARY_CACHE", candidates)
}

// usable makes the folder if need be, and reports whether we can write to it and the servers' user can get there.
func usable(dir string) bool {
	if credential() != nil && !traversable(filepath.Dir(dir)) {
		return false
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the servers' user must enter
		return false
	}
	if !trusted(dir) {
		return false
	}
	probe, err := os.CreateTemp(dir, ".probe-")
	if err != nil {
		return false
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return credential() == nil || traversable(dir)
}

// trusted reports whether nobody but us, root and those we share a group with can have put programs into dir: in a shared place, such as
// /tmp, anybody may have made it before us.
func trusted(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || int64(stat.Uid) == int64(os.Geteuid())) && info.Mode().Perm()&0o002 == 0
}

// traversable reports whether the servers' user may pass through dir and all folders above it. A folder that does not exist yet will
// be made by us, open.
func traversable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil, info.Mode().Perm()&0o001 == 0:
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// postgresHome returns the folder for Postgres's files that belong to the stack in data. Usually it is <data>/postgres. When we are
// root and data lies where the servers' user cannot go, such as root's home, it is a folder elsewhere and <data>/postgres a link to it;
// if that link is gone, what it led to belonged to deleted data and is cleared.
func postgresHome(data string) (string, error) {
	home := filepath.Join(data, "postgres")
	if credential() == nil || traversable(data) {
		return home, mkdirOpen(home)
	}
	if target, err := os.Readlink(home); err == nil {
		return target, mkdirOpen(target)
	}
	sum := sha256.Sum256([]byte(data))
	base, err := firstUsable([]string{"/var/lib/tributary", filepath.Join(os.TempDir(), "tributary-data")})
	if err != nil {
		return "", err
	}
	target := filepath.Join(base, filepath.Base(data)+"-"+hex.EncodeToString(sum[:6]))
	if err := os.RemoveAll(target); err != nil {
		return "", fmt.Errorf("clearing what deleted data left at %s: %w", target, err)
	}
	if err := mkdirOpen(target); err != nil {
		return "", err
	}
	if err := os.Symlink(target, home); err != nil {
		return "", fmt.Errorf("linking Postgres's files: %w", err)
	}
	return target, nil
}

// mkdirOpen makes a folder that the servers' user can pass through, whatever the umask.
func mkdirOpen(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // see above
		return fmt.Errorf("making %s: %w", dir, err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // see above
		return fmt.Errorf("opening %s: %w", dir, err)
	}
	return nil
}
