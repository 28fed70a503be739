package devstack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// initialize makes the data directory on the first start, and reads the password on later ones.
func (p *Postgres) initialize(ctx context.Context) error {
	raw, err := os.ReadFile(p.path("password"))
	if err == nil {
		p.password = string(raw)
		return nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading Postgres's password: %w", err)
	}
	if p.options.StandbyOf != nil {
		return p.copyPrimary(ctx)
	}
	// The password is written last, so without it whatever is there was cut short.
	for _, name := range []string{"data", "new"} {
		if err := os.RemoveAll(p.path(name)); err != nil {
			return fmt.Errorf("clearing an unfinished Postgres data directory: %w", err)
		}
	}
	p.password = rand.Text()
	if err := p.initdb(ctx); err != nil {
		return err
	}
	return writeAtomic(p.path("password"), []byte(p.password))
}

// initdb runs as the server's user, who may write nowhere but in a folder made for it.
func (p *Postgres) initdb(ctx context.Context) error {
	work := p.path("new")
	if err := os.Mkdir(work, 0o700); err != nil {
		return fmt.Errorf("making room for Postgres's data: %w", err)
	}
	passwordFile := filepath.Join(work, "password")
	if err := os.WriteFile(passwordFile, []byte(p.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("handing initdb the password: %w", err)
	}
	who := credential()
	if who != nil {
		for _, path := range []string{work, passwordFile} {
			if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
				return fmt.Errorf("handing Postgres its folder: %w", err)
			}
		}
	}
	args := []string{
		"--pgdata=" + filepath.Join(work, "data"), "--username=" + postgresUser, "--pwfile=" + passwordFile, "--auth=scram-sha-256",
		"--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions",
	}
	if p.options.Small {
		// If the machine fails now, the test does too; and tests connect so often that proving the password is most of some tests' work.
		args = append(args, "--no-sync", "--set=scram_iterations=1")
	}
	cmd := exec.CommandContext(ctx, p.binaries.InitDB, args...) //nolint:gosec // our own arguments
	cmd.Env, cmd.Dir = serverEnv(), work
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb in %s failed: %w\n%s", p.options.Home, err, strings.TrimSpace(string(out)))
	}
	if err := os.Rename(filepath.Join(work, "data"), p.path("data")); err != nil {
		return fmt.Errorf("putting Postgres's data in place: %w", err)
	}
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("clearing up after initdb: %w", err)
	}
	return nil
}

// createDatabase makes our database on the first start. (Asking whether it is there costs another query each time.)
func (p *Postgres) createDatabase(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.urlOf("postgres"))
	if err != nil {
		return fmt.Errorf("connecting to the new server: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, "CREATE DATABASE "+postgresDatabase)
	const duplicateDatabase = "42P04"
	if refusal := new(pgconn.PgError); errors.As(err, &refusal) && refusal.Code == duplicateDatabase {
		return nil
	}
	if err != nil {
		return fmt.Errorf("creating the database %s: %w", postgresDatabase, err)
	}
	return nil
}

// arguments gives every setting on the command line, so that the files in the data directory never go stale.
func (p *Postgres) arguments() []string {
	settings := map[string]string{
		"listen_addresses": "127.0.0.1", "port": strconv.Itoa(p.options.Port), "unix_socket_directories": "",
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "timezone": "UTC", "log_timezone": "UTC",
		"max_connections": "200", "checkpoint_timeout": "15min", "logging_collector": "off", "log_line_prefix": "%m [%p] %d ",
	}
	if p.options.Small {
		// io_method=sync spares three processes a server; a machine runs many such servers at once.
		maps.Copy(settings, map[string]string{
			"shared_buffers": "64MB", "wal_buffers": "4MB", "max_wal_size": "512MB", "min_wal_size": "32MB",
			"io_method": "sync", "autovacuum_naptime": "10s", "max_worker_processes": "4", "max_logical_replication_workers": "0",
		})
	} else {
		maps.Copy(settings, map[string]string{
			"shared_buffers": "1GB", "wal_buffers": "64MB", "max_wal_size": "8GB", "min_wal_size": "2GB",
		})
	}
	maps.Copy(settings, p.options.Settings)
	args := append(make([]string, 0, 2+2*len(settings)), "-D", p.path("data"))
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// serverEnv is all that a server needs; what we were started with, such as PGDATA or LD_PRELOAD, is not for it.
func serverEnv() []string {
	return []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}

// writeAtomic replaces a file as a whole, readable by us alone: a reader sees the old content or the new one.
func writeAtomic(path string, content []byte) error {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = temp.Write(content)
	err = errors.Join(err, temp.Chmod(0o600), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		_ = os.Remove(temp.Name())
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
