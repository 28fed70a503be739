package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
)

// copyPrimary makes the data directory of a standby: a base backup of the running primary, which needs no tool but SQL, and files
// that make the server stream from it. The password, which marks the data as whole, is written last.
func (p *Postgres) copyPrimary(ctx context.Context) error {
	if err := os.RemoveAll(p.path("data")); err != nil {
		return fmt.Errorf("clearing an unfinished standby: %w", err)
	}
	primary := p.options.StandbyOf
	conn, err := pgx.Connect(ctx, primary.urlOf("postgres"))
	if err != nil {
		return fmt.Errorf("connecting to the primary: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// The session must live from the start to the stop.
	if _, err := conn.Exec(ctx, "SELECT pg_backup_start('standby', fast => true)"); err != nil {
		return fmt.Errorf("starting a base backup: %w", err)
	}
	if err := copyData(primary.path("data"), p.path("data")); err != nil {
		return err
	}
	var label, tablespaces string
	err = conn.QueryRow(ctx, "SELECT labelfile, spcmapfile FROM pg_backup_stop(wait_for_archive => false)").Scan(&label, &tablespaces)
	if err != nil {
		return fmt.Errorf("ending a base backup: %w", err)
	}
	p.password = primary.password
	files := map[string]string{
		"backup_label": label, "standby.signal": "",
		"postgresql.auto.conf": fmt.Sprintf("primary_conninfo = 'host=127.0.0.1 port=%d user=%s password=%s sslmode=disable'\n",
			primary.Port(), postgresUser, p.password),
	}
	for name, content := range files {
		path := filepath.Join(p.path("data"), name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("making a standby: %w", err)
		}
		if err := giveToServer(path); err != nil {
			return err
		}
	}
	return writeAtomic(p.path("password"), []byte(p.password))
}

// copyData copies a data directory while a server changes it: a backup's WAL mends what was torn. A file that went meanwhile is
// none that matters. What is left out is of the running server alone.
func copyData(from, to string) error {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		target := filepath.Join(to, relative)
		if entry.IsDir() {
			if err := os.Mkdir(target, 0o700); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
			return giveToServer(target)
		}
		if notCopied(relative) || !entry.Type().IsRegular() {
			return nil
		}
		return copyFile(path, target)
	})
	if err != nil {
		return fmt.Errorf("copying the primary's data: %w", err)
	}
	return nil
}

func notCopied(relative string) bool {
	switch folder, name := filepath.Split(relative); filepath.Clean(folder) {
	case ".":
		return strings.HasPrefix(name, "postmaster.")
	case "pg_wal", "pg_replslot", "pg_stat_tmp":
		return true
	default:
		return strings.HasPrefix(name, "pgsql_tmp")
	}
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err //nolint:wrapcheck // copyData says what it was doing
	}
	defer source.Close() //nolint:errcheck // it was read
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err //nolint:wrapcheck // copyData says what it was doing
	}
	_, err = io.Copy(target, source)
	if err := errors.Join(err, target.Close()); err != nil {
		return err
	}
	return giveToServer(to)
}

// giveToServer makes the server's user own a file, where that is another than ours.
func giveToServer(path string) error {
	who := credential()
	if who == nil {
		return nil
	}
	if err := os.Chown(path, int(who.Uid), int(who.Gid)); err != nil {
		return fmt.Errorf("handing Postgres its files: %w", err)
	}
	return nil
}
