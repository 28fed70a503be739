package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// secured is a Kafka that lets in only who has a certificate and a password, over TLS, and how to come in.
func secured(t *testing.T) (books, devstack.CertificateFiles) {
	t.Helper()
	kafka := stacktest.ApacheKafka(t, devstack.ApacheKafkaConfig{Security: devstack.ApacheKafkaSecurity{
		TLS: true, ClientCertificates: true, Username: "alice", Password: "alice-secret",
	}})
	b, files := booksAt(kafka.Brokers(), stacktest.Postgres(t)), kafka.CertificateFiles()
	b.environ = append(b.environ,
		"TRIBUTARY_KAFKA_CA_FILE="+files.Authority,
		"TRIBUTARY_KAFKA_CERT_FILE="+files.Certificate, "TRIBUTARY_KAFKA_KEY_FILE="+files.Key,
		"TRIBUTARY_KAFKA_SASL_USERNAME=alice", "TRIBUTARY_KAFKA_SASL_PASSWORD=alice-secret",
		"TRIBUTARY_KAFKA_SASL_MECHANISM=SCRAM-SHA-512",
	)
	return b, files
}

// with changes the environment; of two settings of one variable the program sees the last.
func (b books) with(variables ...string) books {
	b.environ = append(slices.Clone(b.environ), variables...)
	return b
}

func TestKafkaBehindTLSAndPasswords(t *testing.T) {
	t.Parallel()
	b, files := secured(t)
	b.must(t, "migrate", "--partitions", "3")
	projector := b.start(t, "project", "--metrics-addr", "127.0.0.1:0")
	b.must(t, "publish", "--wait", "sample.ndjson")
	for _, mechanism := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		got := b.with("TRIBUTARY_KAFKA_SASL_MECHANISM="+mechanism).must(t, "status")
		require.Contains(t, got.stdout, "tributary.payments")
	}
	require.Equal(t, exitDone, projector.stop(t))

	stranger := filepath.Join(t.TempDir(), "stranger.pem")
	other, err := devstack.NewAuthority("stranger")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(stranger, other, 0o600))
	for name, c := range map[string]struct {
		change []string
		want   []string
	}{
		"a wrong password": {
			[]string{"TRIBUTARY_KAFKA_SASL_PASSWORD=wrong"},
			[]string{"does not let us in", "are TRIBUTARY_KAFKA_SASL_USERNAME, TRIBUTARY_KAFKA_SASL_PASSWORD"},
		},
		"a wrong password, in the clear under TLS": {
			[]string{"TRIBUTARY_KAFKA_SASL_MECHANISM=PLAIN", "TRIBUTARY_KAFKA_SASL_PASSWORD=wrong"},
			[]string{"does not let us in", "are TRIBUTARY_KAFKA_SASL_USERNAME, TRIBUTARY_KAFKA_SASL_PASSWORD"},
		},
		"nobody's name": {
			[]string{"TRIBUTARY_KAFKA_SASL_USERNAME=mallory"},
			[]string{"does not let us in", "are TRIBUTARY_KAFKA_SASL_USERNAME"},
		},
		"no name at all": {
			[]string{"TRIBUTARY_KAFKA_SASL_USERNAME=", "TRIBUTARY_KAFKA_SASL_MECHANISM="},
			[]string{"does it want SASL on this port (TRIBUTARY_KAFKA_SASL_MECHANISM)"},
		},
		"an unknown authority": {
			[]string{"TRIBUTARY_KAFKA_CA_FILE=" + stranger},
			[]string{"signed by an authority unknown here: set TRIBUTARY_KAFKA_CA_FILE"},
		},
		"no authority": {
			[]string{"TRIBUTARY_KAFKA_CA_FILE=", "TRIBUTARY_KAFKA_TLS=true"},
			[]string{"signed by an authority unknown here: set TRIBUTARY_KAFKA_CA_FILE"},
		},
		"no certificate": {
			[]string{"TRIBUTARY_KAFKA_CERT_FILE=", "TRIBUTARY_KAFKA_KEY_FILE="},
			[]string{"set TRIBUTARY_KAFKA_CERT_FILE and TRIBUTARY_KAFKA_KEY_FILE"},
		},
		"in the clear": {
			[]string{"TRIBUTARY_KAFKA_CA_FILE=", "TRIBUTARY_KAFKA_CERT_FILE=", "TRIBUTARY_KAFKA_KEY_FILE="},
			[]string{"the broker wants TLS on this port: set TRIBUTARY_KAFKA_TLS=true"},
		},
		"another's certificate file": {
			[]string{"TRIBUTARY_KAFKA_CERT_FILE=" + files.Authority},
			[]string{"read our certificate and key"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := exitUnreachable
			if name == "another's certificate file" {
				code = exitUsage // nobody is asked
			}
			for _, command := range [][]string{{"status"}, {"publish", "sample.ndjson"}, {"migrate"}} {
				got := b.with(c.change...).run(t, command...)
				require.Equal(t, code, got.code, "%v: %s", command, got.stderr)
				for _, want := range c.want {
					require.Contains(t, got.stderr, want, command)
				}
				require.NotContains(t, got.stderr, "level=ERROR", "what is told is told once")
			}
		})
	}
}
