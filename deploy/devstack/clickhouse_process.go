package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tributary-ledger/tributary/deploy/devstack/libchdb"
)

// clickHouseConfig says how an embedded ClickHouse runs. It crosses to a child process as JSON.
type clickHouseConfig struct {
	Library string `json:"library"`
	Home    string `json:"home"` // with the files that writeClickHouseFiles writes
}

// The files of a server's home that the engine reads.
const (
	clickHouseConfigFile = "config.xml"
	clickHouseUsersFile  = "users.xml"
	clickHouseListenFile = "listen.sql"
	clickHouseHoldFile   = "hold" // a named pipe
	clickHouseDataDir    = "data"
)

// serveClickHouse runs the engine in this process until ctx ends, and then stops it in order.
//
// The engine is clickhouse-local with two files of queries. The first makes ClickHouse's own HTTP server listen. The second is a named
// pipe: the engine opens it when it is done with the first, so our opening returns when the server listens, and the engine ends in order
// when we close it.
func serveClickHouse(ctx context.Context, config clickHouseConfig, ready func() error) error {
	in := func(name string) string { return filepath.Join(config.Home, name) }
	if err := awaitOrphan(ctx, in(clickHouseDataDir)); err != nil {
		return err
	}
	if err := forgetHalfMade(in(clickHouseDataDir)); err != nil {
		return err
	}
	if err := os.Remove(in(clickHouseHoldFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clearing an earlier run's pipe: %w", err)
	}
	if err := syscall.Mkfifo(in(clickHouseHoldFile), 0o600); err != nil {
		return fmt.Errorf("making ClickHouse's pipe: %w", err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- libchdb.Run(config.Library, "--config-file="+in(clickHouseConfigFile),
			"--queries-file="+in(clickHouseListenFile), "--queries-file="+in(clickHouseHoldFile))
	}()
	held := make(chan *os.File, 1)
	opening := make(chan error, 1)
	go func() {
		hold, err := os.OpenFile(in(clickHouseHoldFile), os.O_WRONLY, 0)
		opening <- err
		held <- hold
	}()
	select {
	case err := <-ended:
		return errors.Join(errors.New("ClickHouse ended before it listened"), err)
	case err := <-opening:
		if err != nil {
			return fmt.Errorf("opening ClickHouse's pipe: %w", err)
		}
	}
	if err := libchdb.Settle(); err != nil {
		return err
	}
	if err := ready(); err != nil {
		return fmt.Errorf("telling that ClickHouse is ready: %w", err)
	}
	select {
	case err := <-ended:
		return errors.Join(errors.New("ClickHouse ended by itself"), err)
	case <-ctx.Done():
	}
	if err := (<-held).Close(); err != nil {
		return fmt.Errorf("closing ClickHouse's pipe: %w", err)
	}
	return <-ended
}

// forgetHalfMade removes the files of databases that were being made when the engine was killed, or its disk was full: they are empty,
// and the engine would not start with them. Whoever asked for such a database was not answered.
func forgetHalfMade(data string) error {
	databases, err := filepath.Glob(filepath.Join(data, "metadata", "*.sql"))
	if err != nil {
		return fmt.Errorf("looking for databases that were being made: %w", err)
	}
	for _, database := range databases {
		if info, err := os.Stat(database); err != nil || info.Size() > 0 {
			continue // the engine tells of what it cannot read
		}
		if err := os.Remove(database); err != nil {
			return fmt.Errorf("removing what is left of a database that was being made: %w", err)
		}
	}
	return nil
}

// orphanPatience is how long the engine of a killed parent may take to end.
const orphanPatience = 20 * time.Second

// awaitOrphan returns when no other engine has the data open: it locks the file status in it, and the kernel unlocks that with its end.
func awaitOrphan(ctx context.Context, data string) error {
	status := filepath.Join(data, "status")
	if _, err := os.Stat(status); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	unlock, err := lockWait(ctx, status)
	if err != nil {
		return fmt.Errorf("another process has the ClickHouse data in %s open, stop it first: %w", data, err)
	}
	unlock()
	return nil
}
