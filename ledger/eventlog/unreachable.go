package eventlog

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrUnreachable means that no broker answered, or none let us in.
var ErrUnreachable = errors.New("no Kafka broker can be reached")

// UnreachableError says which brokers could not be reached or did not let us in, why, and what to do. It is ErrUnreachable.
type UnreachableError struct {
	// Doing is what was tried.
	Doing string
	// Brokers are the addresses that were configured.
	Brokers []string
	// Refused means that a broker answered, and does not let us in.
	Refused bool
	// Hint is what to look at, as a question or an order.
	Hint string
	// Cause is what the client met.
	Cause error
}

// Error is a sentence for operators.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s: %v at %v: %s: %v", e.Doing, ErrUnreachable, e.Brokers, e.Hint, e.Cause)
}

// Unwrap gives ErrUnreachable and the cause.
func (e *UnreachableError) Unwrap() []error { return []error{ErrUnreachable, e.Cause} }

// unreachable names the brokers and what to do; what a broker that let us in did answer is passed on as it is.
func unreachable(c Config, doing string, err error) error {
	if err == nil {
		return nil
	}
	hint := hintSASL(c, err)
	if hint == "" {
		hint = hintTLS(c, err)
	}
	refused := hint != ""
	if _, answered := errors.AsType[*kerr.Error](err); answered && !refused {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if !refused {
		hint = "is Kafka running, and TRIBUTARY_KAFKA_BROKERS right?"
	}
	return &UnreachableError{Doing: doing, Brokers: c.Brokers, Refused: refused, Hint: hint, Cause: err}
}

// hintSASL is what to do where a broker does not take who we say we are; empty where that is not the matter.
func hintSASL(c Config, err error) string {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return "are TRIBUTARY_KAFKA_SASL_USERNAME, TRIBUTARY_KAFKA_SASL_PASSWORD and TRIBUTARY_KAFKA_SASL_MECHANISM right?"
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return "the broker does not know " + c.SASL.Mechanism + " on this port: set TRIBUTARY_KAFKA_SASL_MECHANISM to one that it does"
	case errors.Is(err, kerr.IllegalSaslState) && c.SASL.Mechanism != "":
		return "the broker wants no SASL on this port: clear TRIBUTARY_KAFKA_SASL_MECHANISM, or name the port that wants it"
	}
	return ""
}

// hintTLS is what to do where the two sides do not agree how, or whether, to encrypt; empty where that is not the matter.
func hintTLS(c Config, err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		plain    tls.RecordHeaderError
		network  *net.OpError
		closed   *kgo.ErrFirstReadEOF
	)
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an authority unknown here: set TRIBUTARY_KAFKA_CA_FILE to that authority's certificate"
	case errors.As(err, &hostname):
		return "the broker's certificate is for other names: brokers must be named, and name themselves (advertised.listeners), as in it"
	case errors.As(err, &invalid):
		return "the broker's certificate is not valid: has it expired, and is the clock here right?"
	case errors.As(err, &network) && network.Op == "remote error":
		return "the broker does not take our certificate, or misses it: set TRIBUTARY_KAFKA_CERT_FILE and TRIBUTARY_KAFKA_KEY_FILE to one " +
			"signed by an authority that it knows"
	case errors.As(err, &plain):
		return "what answers does not speak TLS: clear TRIBUTARY_KAFKA_TLS, TRIBUTARY_KAFKA_CA_FILE and TRIBUTARY_KAFKA_CERT_FILE, " +
			"or name a port that does"
	case c.TLS == nil && strings.Contains(err.Error(), "tls alert record"): // the client has no type for it
		return "the broker wants TLS on this port: set TRIBUTARY_KAFKA_TLS=true, and TRIBUTARY_KAFKA_CA_FILE where its authority is your own"
	case !errors.As(err, &closed):
		return ""
	case c.TLS != nil && c.SASL.Mechanism == "":
		return "the broker ended the connection at once: does it want SASL on this port (TRIBUTARY_KAFKA_SASL_MECHANISM), or no TLS?"
	case c.TLS != nil:
		return "the broker ended the connection at once: does it want no TLS on this port?"
	case c.SASL.Mechanism == "":
		return "the broker ended the connection at once: does it want SASL (TRIBUTARY_KAFKA_SASL_MECHANISM) or TLS (TRIBUTARY_KAFKA_TLS) " +
			"on this port?"
	default:
		return "the broker ended the connection at once: does it want TLS on this port (TRIBUTARY_KAFKA_TLS)?"
	}
}
