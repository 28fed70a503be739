package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// The servers that a stack can have, as --only names them.
const (
	ServerKafka      = "kafka"
	ServerPostgres   = "postgres"
	ServerClickHouse = "clickhouse"
)

// Servers returns the names of all servers.
func Servers() []string {
	return []string{ServerKafka, ServerPostgres, ServerClickHouse}
}

// ServersHere returns the names of those that can run on this kind of machine.
func ServersHere() []string {
	if hasClickHouse() {
		return Servers()
	}
	return []string{ServerKafka, ServerPostgres}
}

// Options says what a stack runs and where.
type Options struct {
	Data       string            // folder for everything that must survive; made when missing
	Ports      Ports             // empty means PortsFixed
	Only       []string          // names of servers; empty means all that run on this kind of machine
	Small      bool              // for tests: little memory and disk
	InProcess  bool              // run Kafka in this process: quicker, but then it cannot be killed alone
	Sync       bool              // Kafka too survives a power cut; slower
	Kafka      map[string]string // more broker settings
	Postgres   map[string]string // more server settings
	ClickHouse map[string]string // more settings of the user's profile
	Logger     *slog.Logger      // nil for slog's default
}

// Stack is a set of running servers.
type Stack struct {
	options    Options
	unlock     func()
	kafka      *KafkaProcess
	inProcess  *Kafka
	postgres   *Postgres
	clickhouse *ClickHouse

	stopping chan struct{} // closed by the first Stop
	stopOnce sync.Once
	stopErr  error
}

// Start starts the servers at the same time and returns when all of them answer; if one fails, none is left. ctx bounds the start, not
// the life of the stack, which ends with Stop, or with this process, however that ends. It fails with a clear message when a second
// stack uses the same data, a fixed port is taken, or Node.js is missing.
func Start(ctx context.Context, options Options) (*Stack, error) {
	options, err := options.checked()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(options.Data, 0o755); err != nil { //nolint:gosec // Postgres's user must get to its folder below
		return nil, fmt.Errorf("making the stack's data folder: %w", err)
	}
	unlock, err := lockTry(filepath.Join(options.Data, "lock"))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("another stack runs on the data in %s: stop it, or choose another folder with --data: %w", options.Data, err)
	}
	if err != nil {
		return nil, err
	}
	s := &Stack{options: options, unlock: unlock, stopping: make(chan struct{})}
	// Those of a stack that was killed would lead others astray while we start.
	err = removeEndpoints(options.Data)
	if err == nil {
		err = s.startServers(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (o Options) checked() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Ports == "" {
		o.Ports = PortsFixed
	}
	if o.Ports != PortsFixed && o.Ports != PortsAuto {
		return o, fmt.Errorf("ports are %q or %q, not %q", PortsFixed, PortsAuto, o.Ports)
	}
	if len(o.Only) == 0 {
		o.Only = ServersHere()
	}
	for _, name := range o.Only {
		if !slices.Contains(Servers(), name) {
			return o, fmt.Errorf("there is no server %q, only %v", name, Servers())
		}
	}
	if o.Data == "" {
		return o, errors.New("a stack needs a data folder")
	}
	data, err := filepath.Abs(o.Data)
	if err != nil {
		return o, fmt.Errorf("placing the stack's data: %w", err)
	}
	o.Data = data
	return o, nil
}

func (o Options) port(fixed int) int {
	if o.Ports == PortsAuto {
		return 0
	}
	return fixed
}

func (s *Stack) startServers(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if slices.Contains(s.options.Only, ServerKafka) {
		group.Go(func() error { return s.startKafka(ctx) })
	}
	if slices.Contains(s.options.Only, ServerPostgres) {
		group.Go(func() error { return s.startPostgres(ctx) })
	}
	if slices.Contains(s.options.Only, ServerClickHouse) {
		group.Go(func() error { return s.startClickHouse(ctx) })
	}
	return group.Wait()
}

func (s *Stack) startKafka(ctx context.Context) (err error) {
	config := KafkaConfig{
		Dir: filepath.Join(s.options.Data, "kafka"), Port: s.options.port(DefaultKafkaPort), Sync: s.options.Sync, Configs: s.options.Kafka,
	}
	if s.options.InProcess {
		s.inProcess, err = OpenKafka(ctx, config, s.options.Logger)
		return err
	}
	s.kafka, err = StartKafka(ctx, config)
	return err
}

func (s *Stack) startPostgres(ctx context.Context) error {
	home, err := postgresHome(s.options.Data)
	if err != nil {
		return err
	}
	s.postgres, err = StartPostgres(ctx, PostgresOptions{
		Home: home, Port: s.options.port(DefaultPostgresPort), Small: s.options.Small, Settings: s.options.Postgres, Logger: s.options.Logger,
	})
	return err
}

func (s *Stack) startClickHouse(ctx context.Context) (err error) {
	s.clickhouse, err = StartClickHouse(ctx, ClickHouseOptions{
		Home: filepath.Join(s.options.Data, "clickhouse"), Port: s.options.port(DefaultClickHousePort), Small: s.options.Small,
		Settings: s.options.ClickHouse, Logger: s.options.Logger,
	})
	return err
}

// Kafka returns the Kafka process, nil when it runs in this process or not at all.
func (s *Stack) Kafka() *KafkaProcess {
	return s.kafka
}

// Postgres returns the Postgres server, nil when the stack has none.
func (s *Stack) Postgres() *Postgres {
	return s.postgres
}

// ClickHouse returns the ClickHouse server, nil when the stack has none.
func (s *Stack) ClickHouse() *ClickHouse {
	return s.clickhouse
}

// Endpoints says where the servers listen.
func (s *Stack) Endpoints() Endpoints {
	var e Endpoints
	switch {
	case s.kafka != nil:
		e.KafkaBrokers = s.kafka.Brokers()
	case s.inProcess != nil:
		e.KafkaBrokers = s.inProcess.Brokers()
	}
	if s.postgres != nil {
		e.PostgresURL = s.postgres.URL()
	}
	if s.clickhouse != nil {
		e.ClickHouseURL = s.clickhouse.URL()
	}
	return e
}

// WriteEndpoints writes <data>/endpoints.env, all at once, with the addresses of the servers and whatever else the caller adds, such as
// TRIBUTARY_HTTP_URL. To be called when all is ready: the file is the sign of it. Stop removes it. It returns the file's path.
func (s *Stack) WriteEndpoints(extra map[string]string) (string, error) {
	return writeEndpoints(s.options.Data, s.Endpoints(), extra)
}

// Wait returns nil when Stop is called, an error with the end of its log when a server ends by itself, or ctx's error. A server that
// somebody is to restart must not be waited for meanwhile.
func (s *Stack) Wait(ctx context.Context) error {
	var kafkaDone, postgresDone, clickhouseDone <-chan struct{} // nil ones never end
	if s.kafka != nil {
		kafkaDone = s.kafka.Done()
	}
	if s.postgres != nil {
		postgresDone = s.postgres.Done()
	}
	if s.clickhouse != nil {
		clickhouseDone = s.clickhouse.Done()
	}
	select {
	case <-s.stopping:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-kafkaDone:
		return s.unlessStopping(s.kafka.ended)
	case <-postgresDone:
		return s.unlessStopping(s.postgres.process.ended)
	case <-clickhouseDone:
		return s.unlessStopping(s.clickhouse.ended)
	}
}

func (s *Stack) unlessStopping(ended func() error) error {
	select {
	case <-s.stopping:
		return nil
	default:
		return ended()
	}
}

// Stop removes endpoints.env and stops the servers in order, at the same time; when ctx ends first, at once. Later calls return what the
// first did.
func (s *Stack) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		close(s.stopping)
		s.stopErr = s.stop(ctx)
	})
	return s.stopErr
}

func (s *Stack) stop(ctx context.Context) error {
	defer s.unlock()
	removeErr := removeEndpoints(s.options.Data)
	var group errgroup.Group // without a context: one that fails must not hasten the other
	if s.kafka != nil {
		group.Go(func() error { return s.kafka.Stop(ctx) })
	}
	if s.postgres != nil {
		group.Go(func() error { return s.postgres.Stop(ctx) })
	}
	if s.clickhouse != nil {
		group.Go(func() error { return s.clickhouse.Stop(ctx) })
	}
	if s.inProcess != nil {
		s.inProcess.Close()
	}
	return errors.Join(removeErr, group.Wait())
}
