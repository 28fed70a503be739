package eventlog

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
	"github.com/twmb/franz-go/plugin/kprom"
	"github.com/twmb/franz-go/plugin/kslog"
)

// The SASL mechanisms that Config knows.
const (
	SASLPlain       = "PLAIN"
	SASLScramSHA256 = "SCRAM-SHA-256"
	SASLScramSHA512 = "SCRAM-SHA-512"
)

// SASL says who we are to the brokers. The zero value says nothing.
type SASL struct {
	// Mechanism is one of SASLPlain, SASLScramSHA256, SASLScramSHA512.
	Mechanism string
	Username  string
	Password  string
}

// Config says how to reach the brokers. Only Brokers is required.
type Config struct {
	// Brokers are some of the cluster's addresses, host:port; the rest is learnt from them.
	Brokers []string
	// ClientID names the process in the brokers' logs and in metrics; "tributary" when empty.
	ClientID string
	// TLS switches encryption on; see LoadTLS.
	TLS *tls.Config
	// SASL authenticates.
	SASL SASL
	// Logger gets the client's warnings and errors, and all it says when debug is on; nothing is logged when nil.
	Logger *slog.Logger
	// Metrics, where not nil, gets the Kafka client's metrics (kafka_client_…, labelled with the client's id). Within one
	// registry each client needs a ClientID of its own.
	Metrics prometheus.Registerer
	// Hooks are called by the Kafka client as it works.
	Hooks []kgo.Hook
}

// metadataMinAge is how often a client may ask where partitions are. The default of 5 s stalls a producer's second
// transaction on a fresh topic for as long.
const metadataMinAge = 250 * time.Millisecond

// LoadTLS reads PEM files: the authority that signed the brokers' certificates (the system's when caFile is empty) and our
// own certificate with its key (none when certFile is empty).
func LoadTLS(caFile, certFile, keyFile string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read the servers' certificate authority: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", caFile)
		}
	}
	if certFile != "" {
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fmt.Errorf("read our certificate and key: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// Validate says what is wrong with the configuration, before anything is dialled.
func (c Config) Validate() error {
	if len(c.Brokers) == 0 {
		return errors.New("no Kafka brokers are configured: set TRIBUTARY_KAFKA_BROKERS to host:port[,host:port…]")
	}
	for _, broker := range c.Brokers {
		if strings.TrimSpace(broker) == "" {
			return errors.New("an empty Kafka broker address: set TRIBUTARY_KAFKA_BROKERS to host:port[,host:port…]")
		}
	}
	_, err := c.mechanism()
	return err
}

// Options are common to all clients of the log: where, who, logging, metrics. The configuration must be valid.
func (c Config) Options() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.clientID()),
		kgo.SoftwareNameAndVersion("tributary", "1"),
		kgo.MetadataMinAge(metadataMinAge),
	}
	if c.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(c.TLS))
	}
	if mechanism, err := c.mechanism(); err == nil && mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	if c.Logger != nil {
		opts = append(opts, kgo.WithLogger(newLogger(c.Logger)))
	}
	if c.Metrics != nil {
		opts = append(opts, kgo.WithHooks(
			kprom.NewMetrics("kafka_client", kprom.Registerer(c.Metrics), kprom.WithClientLabel())))
	}
	if len(c.Hooks) > 0 {
		opts = append(opts, kgo.WithHooks(c.Hooks...))
	}
	return opts
}

func (c Config) clientID() string {
	if c.ClientID == "" {
		return "tributary"
	}
	return c.ClientID
}

func (c Config) mechanism() (sasl.Mechanism, error) {
	switch c.SASL.Mechanism {
	case "":
		if c.SASL.Username != "" {
			return nil, fmt.Errorf("a Kafka user name is set but no SASL mechanism: set one of %s, %s, %s",
				SASLPlain, SASLScramSHA256, SASLScramSHA512)
		}
		return nil, nil //nolint:nilnil // no mechanism is a valid choice
	case SASLPlain:
		return plain.Auth{User: c.SASL.Username, Pass: c.SASL.Password}.AsMechanism(), nil
	case SASLScramSHA256:
		return scram.Auth{User: c.SASL.Username, Pass: c.SASL.Password}.AsSha256Mechanism(), nil
	case SASLScramSHA512:
		return scram.Auth{User: c.SASL.Username, Pass: c.SASL.Password}.AsSha512Mechanism(), nil
	default:
		return nil, fmt.Errorf("SASL mechanism %q is not known: set one of %s, %s, %s",
			c.SASL.Mechanism, SASLPlain, SASLScramSHA256, SASLScramSHA512)
	}
}

// NewClient is a client with the common options and more. It dials nothing yet; close it when done.
func NewClient(c Config, more ...kgo.Opt) (*kgo.Client, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(c.Options(), more...)...)
	if err != nil {
		return nil, fmt.Errorf("set up the Kafka client: %w", err)
	}
	return client, nil
}

// named is the configuration with a client id of its own, so that brokers and metrics tell our clients apart.
func (c Config) named(part string) Config {
	c.ClientID = c.clientID() + "-" + part
	return c
}

// logger passes the client's warnings on, and its chatter only to those who debug.
type logger struct {
	*kslog.Logger

	slog *slog.Logger
}

func newLogger(l *slog.Logger) kgo.Logger {
	return logger{Logger: kslog.New(l), slog: l}
}

// Level keeps what the client calls information for debugging: it is a line for each metadata change.
func (l logger) Level() kgo.LogLevel {
	if l.slog.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

// Log makes the client's errors warnings: it returns them too, or tries again, and an error is told once, by whom it ends with.
func (l logger) Log(level kgo.LogLevel, message string, keyvals ...any) {
	if level == kgo.LogLevelError {
		level = kgo.LogLevelWarn
	}
	l.Logger.Log(level, message, keyvals...)
}
