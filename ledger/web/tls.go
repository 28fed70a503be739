package web

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificateCheck is how often, at most, the files are looked at: a new certificate is in use that soon, without a restart.
const certificateCheck = time.Second

// certificate is of files that are replaced now and then.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	stamp   [2]fileStamp
	looked  time.Time
}

type fileStamp struct {
	modified time.Time
	size     int64
}

// LoadTLS is a server's TLS with a certificate and key from PEM files. When the files change, connections from then on have the new one;
// while what is there is no pair, the last good one stays in use, and the logger is told. ALPN is left to net/http.
func LoadTLS(certFile, keyFile string, logger *slog.Logger) (*tls.Config, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	var err error
	if c.stamp, err = c.stamps(); err != nil {
		return nil, err
	}
	if c.current, err = c.load(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(time.Now()), nil },
	}, nil
}

func (c *certificate) load() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return nil, fmt.Errorf("load the certificate %s with the key %s: %w", c.certFile, c.keyFile, err)
	}
	return &pair, nil
}

func (c *certificate) stamps() ([2]fileStamp, error) {
	var stamps [2]fileStamp
	for i, path := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(path) // through links: that is how mounted secrets are replaced
		if err != nil {
			return stamps, fmt.Errorf("look at the certificate: %w", err)
		}
		stamps[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

// get is the certificate of now.
func (c *certificate) get(now time.Time) *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now.Sub(c.looked) < certificateCheck {
		return c.current
	}
	c.looked = now
	stamps, err := c.stamps()
	if err == nil && stamps == c.stamp {
		return c.current
	}
	var changed *tls.Certificate
	if err == nil {
		changed, err = c.load() // half of a pair that is being replaced does not load; it is looked at again
	}
	if err != nil {
		c.logger.Error("the new certificate cannot be used; the last one stays", "err", err)
		return c.current
	}
	c.current, c.stamp = changed, stamps
	c.logger.Info("the certificate was replaced", "file", c.certFile)
	return c.current
}
