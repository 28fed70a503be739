package devstack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
)

// clickHouseUser is the user that may do everything.
const clickHouseUser = "tributary"

// ClickHouseOptions says where a ClickHouse server keeps its data and how large it is.
type ClickHouseOptions struct {
	Home     string            // folder for data, password, configuration and log; made when missing
	Port     int               // of HTTP, on 127.0.0.1; 0 chooses a free one
	Small    bool              // for tests: little memory, many side by side; as durable as any
	Settings map[string]string // more settings of the user's profile, which win over ours
	Logger   *slog.Logger      // nil for slog's default
}

// ClickHouse is a running server, in a process of its own, which can be killed, paused and restarted. One that crashes is started again;
// its Done is closed when it crashes too often, or was killed or stopped by us. Its methods may be called from any goroutine.
type ClickHouse struct {
	childServer

	options  ClickHouseOptions
	password string
}

// StartClickHouse installs ClickHouse's engine if need be and starts this same program again, to run it; see RunChildIfAsked. It returns
// when the server answers. ctx bounds the start, not the life of the server, which ends with Stop or with us. It fails with a clear
// message when the data is in use, the port taken, or there is no engine for this machine.
func StartClickHouse(ctx context.Context, options ClickHouseOptions) (*ClickHouse, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	library, err := InstallClickHouse(ctx, options.Logger)
	if err != nil {
		return nil, err
	}
	home, unlock, err := claim("ClickHouse", options.Home, mkdirClosed)
	if err != nil {
		return nil, err
	}
	options.Home = home
	c := &ClickHouse{childServer: childServer{name: "ClickHouse", unlock: unlock, revive: options.Logger}, options: options}
	if err := c.firstStart(ctx, library); err != nil {
		unlock()
		return nil, err
	}
	return c, nil
}

func (c *ClickHouse) firstStart(ctx context.Context, library string) (err error) {
	if c.password, err = passwordIn(c.options.Home); err != nil {
		return err
	}
	c.launch = func(ctx context.Context) (*process, error) {
		if err := writeClickHouseFiles(c.options, c.password); err != nil {
			return nil, err
		}
		return launchChild(ctx, childSpec{
			name: "ClickHouse", server: childClickHouse, config: clickHouseConfig{Library: library, Home: c.options.Home},
			logFile: filepath.Join(c.options.Home, "log"),
			env:     []string{"TZ=UTC"}, // the server's time zone, whatever the machine's
		})
	}
	child, err := withPort(ctx, "ClickHouse", c.options.Port, func(port int) (*process, error) {
		c.options.Port = port
		return c.launch(ctx)
	})
	if err != nil {
		return err
	}
	c.start(ctx, child)
	return nil
}

// passwordIn returns the password kept in home, made on the first start.
func passwordIn(home string) (string, error) {
	path := filepath.Join(home, "password")
	raw, err := os.ReadFile(path)
	if err == nil {
		return string(raw), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading ClickHouse's password: %w", err)
	}
	password := rand.Text()
	return password, writeAtomic(path, []byte(password))
}

// URL is where clients connect over HTTP, with the password; it stays the same over restarts.
func (c *ClickHouse) URL() string {
	address := url.URL{
		Scheme: "http", User: url.UserPassword(clickHouseUser, c.password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(c.options.Port)),
	}
	return address.String()
}

// Port is where the server listens for HTTP on 127.0.0.1.
func (c *ClickHouse) Port() int {
	return c.options.Port
}
