package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// startPatience bounds the start of a server, including its first download.
const startPatience = 5 * time.Minute

// shared is this binary's Postgres: one for all its tests, started by the first that asks, stopped by Main.
var shared server //nolint:gochecknoglobals // what a test binary shares can live nowhere else

type server struct {
	mu        sync.Mutex
	postgres  *devstack.Postgres
	home      *home
	err       error
	databases int                  // made so far, for their names
	templates map[string]*template // by key
}

type template struct {
	once     sync.Once
	database string
	err      error
}

// Postgres gives the test an empty database of its own and returns its URL; it is dropped after the test. The package's TestMain must
// call Main.
func Postgres(t testing.TB) string {
	t.Helper()
	return database(t, "template0")
}

// PostgresFrom is Postgres, with a database that prepare has filled. It fills one for each key, on the first call, and the others are
// copies, which take milliseconds, whatever the migrations take. prepare must close its connections.
func PostgresFrom(t testing.TB, key string, prepare func(ctx context.Context, url string) error) string {
	t.Helper()
	made := shared.template(key)
	made.once.Do(func() {
		made.database, made.err = shared.create(t.Context(), "template0")
		if made.err == nil {
			made.err = prepare(t.Context(), shared.url(made.database))
		}
	})
	require.NoError(t, made.err, "preparing the template %q", key)
	return database(t, made.database)
}

// PostgresServer gives the test a server of its own, which it can kill, pause and restart; it ends with the test, and its data too.
func PostgresServer(t testing.TB) *devstack.Postgres {
	t.Helper()
	return ownServer(t, true)
}

// Standby gives the test a server that streams from one of PostgresServer's, which it can kill, pause and restart; it ends with the test.
func Standby(t testing.TB, primary *devstack.Postgres) *devstack.Postgres {
	t.Helper()
	home := Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	standby, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Home: home, Small: true, StandbyOf: primary})
	require.NoError(t, err)
	t.Cleanup(func() { stopped(t, standby) })
	return standby
}

// LargePostgres is as PostgresServer, with the memory and the write-ahead log that `tributary dev` gives its server: for
// benchmarks.
func LargePostgres(t testing.TB) *devstack.Postgres {
	t.Helper()
	return ownServer(t, false)
}

func ownServer(t testing.TB, small bool) *devstack.Postgres {
	t.Helper()
	home := Dir(t)
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	postgres, err := devstack.StartPostgres(ctx, devstack.PostgresOptions{Home: home, Small: small})
	require.NoError(t, err)
	t.Cleanup(func() { stopped(t, postgres) })
	return postgres
}

func stopped(t testing.TB, server interface {
	Stop(ctx context.Context) error
},
) {
	t.Helper()
	require.NoError(t, server.Stop(context.WithoutCancel(t.Context())))
}

func database(t testing.TB, from string) string {
	t.Helper()
	name, err := shared.create(t.Context(), from)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shared.drop(context.WithoutCancel(t.Context()), name)) })
	return shared.url(name)
}

func (s *server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.postgres != nil || s.err != nil {
		return s.err
	}
	if s.home, s.err = newHome(); s.err != nil {
		return s.err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startPatience) // it serves later tests as well
	defer cancel()
	// Nobody kills it, so it need not write what it could recover from: a database is made and dropped in a tenth of the time.
	settings := map[string]string{"fsync": "off", "full_page_writes": "off"}
	s.postgres, s.err = devstack.StartPostgres(ctx, devstack.PostgresOptions{Home: s.home.dir, Small: true, Settings: settings})
	return s.err
}

func (s *server) stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	if s.postgres != nil {
		// Nobody wants its data any more, so there is no need to stop in order.
		err = errors.Join(s.postgres.Kill(), s.postgres.Stop(ctx))
	}
	if s.home != nil {
		err = errors.Join(err, s.home.remove())
	}
	return err
}

func (s *server) template(key string) *template {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.templates == nil {
		s.templates = map[string]*template{}
	}
	if s.templates[key] == nil {
		s.templates[key] = &template{}
	}
	return s.templates[key]
}

func (s *server) create(ctx context.Context, from string) (string, error) {
	if err := s.start(ctx); err != nil {
		return "", err
	}
	s.mu.Lock()
	s.databases++
	name := fmt.Sprintf("test_%d", s.databases)
	s.mu.Unlock()
	return name, s.exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s", name, from))
}

// drop removes a database even if the test left connections open.
func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name))
}

func (s *server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return fmt.Errorf("connecting to the tests' Postgres: %w", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("%s: %w", strings.ToLower(statement), err)
	}
	return nil
}

func (s *server) url(database string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	address, err := url.Parse(s.postgres.URL())
	if err != nil {
		panic(err) // we made it
	}
	address.Path = "/" + database
	return address.String()
}
