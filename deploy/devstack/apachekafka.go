package devstack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// ApacheKafkaConfig says how a cluster of real Apache Kafka brokers runs, for tests of what the embedded one does not do.
type ApacheKafkaConfig struct {
	Dir     string            // folder for the brokers' data, properties and logs; made when missing
	Brokers int               // 0 means 1; each is a controller too
	HeapMB  int               // of each broker; 0 means 256
	Steady  bool              // as brokers run that run for long, for benchmarks: slower to start, and then faster
	Configs map[string]string // more broker settings, which win over ours
	Logger  *slog.Logger      // nil for slog's default
	// Advertise are the addresses, host:port, that clients are told to use, of a proxy in front of each broker; empty means the brokers' own.
	Advertise []string

	Security ApacheKafkaSecurity // the zero value lets everybody in, in the clear
}

// ApacheKafka is a running cluster. Its methods may be called from any goroutine.
type ApacheKafka struct {
	config  ApacheKafkaConfig
	jars    string
	java    string
	brokers []*Broker
}

// Broker is one broker of an ApacheKafka, in a process of its own, which can be killed, paused and restarted. Restart returns when the
// broker is part of the cluster again, so where most of the controllers are dead, restart them at the same time.
type Broker struct {
	childServer

	id    int // from 1
	ports brokerPorts
}

// brokerPorts are where a broker listens on 127.0.0.1.
type brokerPorts struct {
	client, internal, controller int
}

// clusterTimeout bounds a start: some Java machines that share two busy cores with a whole test suite.
const clusterTimeout = 2 * startTimeout

// StartApacheKafka installs Apache Kafka if need be, formats the data on the first start, and returns when all brokers answer and know
// each other. ctx bounds the start alone. It fails where ApacheKafkaHere does.
func StartApacheKafka(ctx context.Context, config ApacheKafkaConfig) (*ApacheKafka, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	k, err := prepareApacheKafka(ctx, config)
	if err != nil {
		return nil, err
	}
	return withPort(ctx, "Apache Kafka", 0, func(port int) (*ApacheKafka, error) {
		if err := k.place(ctx, port); err != nil {
			return nil, err
		}
		if err := k.launch(ctx); err != nil {
			return nil, errors.Join(err, k.Kill())
		}
		return k, nil
	})
}

func prepareApacheKafka(ctx context.Context, config ApacheKafkaConfig) (*ApacheKafka, error) {
	config.Brokers = max(config.Brokers, 1)
	if config.HeapMB == 0 {
		const enough = 256
		config.HeapMB = enough
	}
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	dir, err := filepath.Abs(config.Dir)
	if err != nil || config.Dir == "" {
		return nil, fmt.Errorf("an Apache Kafka cluster needs a data folder: %w", errors.Join(err, os.ErrInvalid))
	}
	config.Dir = dir
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	jars, err := installApacheKafka(ctx, config.Logger)
	if err != nil {
		return nil, err
	}
	k := &ApacheKafka{config: config, jars: jars, java: java}
	if err := k.writeCertificates(); err != nil {
		return nil, err
	}
	return k, nil
}

// place chooses the brokers' ports, the first of which is given.
func (k *ApacheKafka) place(ctx context.Context, first int) error {
	const each = 3
	taken := map[int]bool{first: true}
	ports := []int{first}
	for len(ports) < each*k.config.Brokers {
		port, err := freePort(ctx)
		if err != nil {
			return err
		}
		if !taken[port] {
			taken[port] = true
			ports = append(ports, port)
		}
	}
	k.brokers = nil
	for i := range k.config.Brokers {
		of := ports[each*i:]
		broker := &Broker{id: i + 1, ports: brokerPorts{client: of[0], internal: of[1], controller: of[2]}}
		broker.childServer = childServer{name: fmt.Sprintf("Kafka broker %d", broker.id), unlock: func() {}}
		k.brokers = append(k.brokers, broker)
	}
	return nil
}

// launch starts all brokers together, for none answers before most of them can vote. Its error tells of each broker that failed: the first
// to give up is rarely the one to blame.
func (k *ApacheKafka) launch(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(k.brokers))
	var group sync.WaitGroup
	for i, b := range k.brokers {
		b.launch = func(ctx context.Context) (*process, error) { return k.launchBroker(ctx, b, 1) }
		group.Go(func() {
			if errs[i] = k.firstStart(ctx, b); errs[i] != nil {
				cancel()
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func (k *ApacheKafka) firstStart(ctx context.Context, b *Broker) error {
	if err := k.format(ctx, b); err != nil {
		return err
	}
	child, err := k.launchBroker(ctx, b, len(k.brokers))
	if err != nil {
		return err
	}
	b.start(ctx, child)
	return nil
}

// format writes the broker's properties and, unless it has been done, prepares its data.
func (k *ApacheKafka) format(ctx context.Context, b *Broker) error {
	dir := k.dir(b)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of %s: %w", b.name, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "log4j2.properties"), apacheKafkaLogging, 0o600); err != nil {
		return fmt.Errorf("writing the logging of %s: %w", b.name, err)
	}
	file := filepath.Join(dir, brokerProperties)
	if err := os.WriteFile(file, k.properties(b), 0o600); err != nil {
		return fmt.Errorf("writing the properties of %s: %w", b.name, err)
	}
	args := append([]string{"format", "--ignore-formatted", "--cluster-id", clusterID, "--config", file}, k.config.Security.scramUsers()...)
	command := k.jvm(ctx, dir, "kafka.tools.StorageTool", args...)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("formatting the data of %s: %w\n%s", b.name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// launchBroker starts a broker and returns when it answers and sees so many brokers at least, itself among them.
func (k *ApacheKafka) launchBroker(ctx context.Context, b *Broker, sees int) (*process, error) {
	ctx, cancel := context.WithTimeout(ctx, clusterTimeout)
	defer cancel()
	dir := k.dir(b)
	command := k.jvm(ctx, dir, "kafka.Kafka", filepath.Join(dir, brokerProperties))
	child, err := startProcess(processSpec{
		name: b.name, path: command.Path, args: command.Args[1:], env: os.Environ(), logFile: filepath.Join(dir, "log"), deathSig: brokerDeath,
	})
	if err != nil {
		return nil, err
	}
	if err := awaitBroker(ctx, child, b, sees); err != nil {
		return nil, errors.Join(err, child.kill())
	}
	return child, nil
}

// awaitBroker asks until the broker is part of the cluster.
func awaitBroker(ctx context.Context, child *process, b *Broker, sees int) error {
	for {
		if b.answers(ctx, sees) {
			return nil
		}
		select {
		case <-child.done:
			return child.ended()
		default:
		}
		if err := pause(ctx, brokerPoll); err != nil {
			return fmt.Errorf("%s was not ready in time: %w; its log:\n%s", child.name, err, child.tail())
		}
	}
}

// brokerPoll is how long to wait between two questions whether a broker is ready.
const brokerPoll = 50 * time.Millisecond

// answers asks with a client of its own each time: one that once learnt of other brokers asks those.
func (b *Broker) answers(ctx context.Context, sees int) bool {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client, err := kgo.NewClient(kgo.SeedBrokers(local(b.ports.internal)))
	if err != nil {
		return false
	}
	defer client.Close()
	metadata, err := kadm.NewClient(client).BrokerMetadata(ctx)
	if err != nil || len(metadata.Brokers) < sees {
		return false
	}
	for _, broker := range metadata.Brokers {
		if int(broker.NodeID) == b.id {
			return true
		}
	}
	return false
}

// Brokers are the addresses to connect to; they stay the same over restarts.
func (k *ApacheKafka) Brokers() []string {
	addresses := make([]string, 0, len(k.brokers))
	for _, b := range k.brokers {
		addresses = append(addresses, local(b.ports.client))
	}
	return addresses
}

// Broker is the broker that the cluster knows by this number, which counts from 1.
func (k *ApacheKafka) Broker(id int) *Broker { return k.brokers[id-1] }

// Stop ends all brokers in order, or, when ctx ends first, at once. Stopping twice is no error.
func (k *ApacheKafka) Stop(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, b := range k.brokers {
		group.Go(func() error { return b.Stop(ctx) })
	}
	return group.Wait()
}

// Kill ends all brokers with SIGKILL, as a power cut would.
func (k *ApacheKafka) Kill() error {
	var errs []error
	for _, b := range k.brokers {
		if b.Done() != nil { // else it never started
			errs = append(errs, b.Kill())
		}
	}
	return errors.Join(errs...)
}

func (k *ApacheKafka) dir(b *Broker) string {
	return filepath.Join(k.config.Dir, "broker-"+strconv.Itoa(b.id))
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
