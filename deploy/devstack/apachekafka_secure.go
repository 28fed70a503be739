package devstack

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ApacheKafkaSecurity says whom the brokers let in at the addresses that clients use. Among themselves brokers speak in the clear.
type ApacheKafkaSecurity struct {
	// TLS encrypts, with certificates by an authority made for this cluster; see ApacheKafka.CertificateFiles.
	TLS bool
	// ClientCertificates lets in only who has a certificate by the same authority.
	ClientCertificates bool
	// Username and Password are the one user's, by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; nobody is asked when empty.
	Username, Password string
}

// CertificateFiles are in PEM form. Those who speak TLS to the brokers trust Authority; Certificate and Key are a client's.
type CertificateFiles struct{ Authority, Certificate, Key string }

// CertificateFiles are where a cluster that speaks TLS has its own.
func (k *ApacheKafka) CertificateFiles() CertificateFiles { return k.certificates().CertificateFiles }

// certificates are all files of a cluster; brokers holds key and certificate in one, as Kafka wants it.
type certificates struct {
	CertificateFiles

	brokers string
}

func (k *ApacheKafka) certificates() certificates {
	in := func(name string) string { return filepath.Join(k.config.Dir, name) }
	return certificates{CertificateFiles{Authority: in("ca.pem"), Certificate: in("client.pem"), Key: in("client.key")}, in("brokers.pem")}
}

// protocol is what Kafka calls the way of speaking that clients use.
func (s ApacheKafkaSecurity) protocol() string {
	switch {
	case s.TLS && s.Username != "":
		return "SASL_SSL"
	case s.TLS:
		return "SSL"
	case s.Username != "":
		return "SASL_PLAINTEXT"
	default:
		return "PLAINTEXT"
	}
}

// scramUsers are the arguments with which StorageTool writes down who may come in.
func (s ApacheKafkaSecurity) scramUsers() []string {
	if s.Username == "" {
		return nil
	}
	user := fmt.Sprintf("=[name=%s,password=%s]", s.Username, s.Password)
	return []string{"--add-scram", "SCRAM-SHA-256" + user, "--add-scram", "SCRAM-SHA-512" + user}
}

// secure adds a broker's settings for the addresses that clients use.
func (k *ApacheKafka) secure(settings map[string]string) {
	const listener, jaas = "listener.name.client.", "org.apache.kafka.common.security."
	s := k.config.Security
	if s.TLS {
		files := k.certificates()
		maps.Copy(settings, map[string]string{
			listener + "ssl.keystore.type": "PEM", listener + "ssl.keystore.location": files.brokers,
			listener + "ssl.truststore.type": "PEM", listener + "ssl.truststore.location": files.Authority,
		})
	}
	if s.ClientCertificates {
		settings[listener+"ssl.client.auth"] = "required"
	}
	if s.Username != "" {
		maps.Copy(settings, map[string]string{
			"sasl.enabled.mechanisms":                   "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			listener + "plain.sasl.jaas.config":         jaas + fmt.Sprintf("plain.PlainLoginModule required user_%s=%q;", s.Username, s.Password),
			listener + "scram-sha-256.sasl.jaas.config": jaas + "scram.ScramLoginModule required;",
			listener + "scram-sha-512.sasl.jaas.config": jaas + "scram.ScramLoginModule required;",
		})
	}
}

// writeCertificates makes an authority, forgets its key, and leaves what it signed: the brokers' and a client's.
func (k *ApacheKafka) writeCertificates() error {
	files := k.certificates()
	if _, err := os.Stat(files.brokers); err == nil || !k.config.Security.TLS {
		return nil
	}
	if err := os.MkdirAll(k.config.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the certificates: %w", err)
	}
	authority, err := newCertificate("authority", nil)
	if err != nil {
		return err
	}
	client, err := newCertificate("client", authority)
	if err != nil {
		return err
	}
	brokers, err := newCertificate("brokers", authority)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(files.Authority, authority.pem, 0o600),
		os.WriteFile(files.Certificate, client.pem, 0o600),
		os.WriteFile(files.Key, client.keyPEM, 0o600),
		os.WriteFile(files.brokers, append(brokers.keyPEM, brokers.pem...), 0o600), // the last: with it all are there
	)
}

// certificate is one with its key.
type certificate struct {
	parsed      *x509.Certificate
	key         *ecdsa.PrivateKey
	pem, keyPEM []byte
}

// newCertificate makes a certificate for this machine, signed by an authority, or an authority itself when by is nil.
func newCertificate(name string, by *certificate) (*certificate, error) {
	const life = 365 * 24 * time.Hour
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of %s: %w", name, err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) //nolint:mnd // as long as is usual
	if err != nil {
		return nil, fmt.Errorf("numbering the certificate of %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Tributary tests: " + name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life), BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	parent, signer := template, key
	if by == nil {
		template.IsCA, template.KeyUsage = true, x509.KeyUsageCertSign
	} else {
		parent, signer = by.parsed, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the certificate of %s: %w", name, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("writing the key of %s: %w", name, err)
	}
	return &certificate{
		parsed: parsed, key: key, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		keyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	}, nil
}

// NewAuthority is the certificate of an authority that signed nothing, in PEM form: nobody's who trusts in it is let in.
func NewAuthority(name string) ([]byte, error) {
	made, err := newCertificate(name, nil)
	if err != nil {
		return nil, err
	}
	return made.pem, nil
}
