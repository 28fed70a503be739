package web_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/web"
)

// listening is a server that runs for as long as a test.
func listening(t *testing.T, handler http.Handler, options web.Options) *web.Server {
	t.Helper()
	server, err := web.ListenWith(t.Context(), "127.0.0.1:0", handler, options)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-stopped) })
	return server
}

func dial(t *testing.T, server *web.Server) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Address())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	return conn
}

func TestHoardedConnectionsGiveWay(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	server := listening(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			arrived <- struct{}{}
			<-goOn
		}
		_, _ = io.WriteString(w, "done")
	}), web.Options{MaxConnections: 3})

	busy := dial(t, server)
	_, err := io.WriteString(busy, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	require.NoError(t, err)
	<-arrived
	slow := dial(t, server)
	_, err = io.WriteString(slow, "GET / HTTP/1.1\r\nX-")
	require.NoError(t, err)
	for range 20 { // each takes the place of one that says nothing, and is answered
		conn := dial(t, server)
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
	}
	_, err = slow.Read(make([]byte, 1))
	require.Error(t, err, "the slow one had to go")
	close(goOn)
	response, err := http.ReadResponse(bufio.NewReader(busy), nil)
	require.NoError(t, err, "the busy one had not")
	require.NoError(t, response.Body.Close())
}

// writePair makes a certificate of this number, and its key.
func writePair(t *testing.T, certFile, keyFile string, number int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
}

func TestACertificateIsReplacedWhileItServes(t *testing.T) {
	t.Parallel()
	certFile, keyFile := filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	_, err := web.LoadTLS(certFile, keyFile, nil)
	require.ErrorContains(t, err, certFile)
	writePair(t, certFile, keyFile, 1)
	config, err := web.LoadTLS(certFile, keyFile, nil)
	require.NoError(t, err)
	server := listening(t, http.NotFoundHandler(), web.Options{TLS: config, MaxConnections: 10})
	require.Contains(t, server.URL(), "https://")
	shown := func() int64 {
		dialer := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
		conn, err := dialer.DialContext(t.Context(), "tcp", server.Address())
		require.NoError(t, err)
		defer func() { require.NoError(t, conn.Close()) }()
		return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	require.EqualValues(t, 1, shown())
	require.NoError(t, os.WriteFile(certFile, []byte("half a certificate"), 0o600))
	require.EqualValues(t, 1, shown())
	writePair(t, certFile, keyFile, 2)
	require.Eventually(t, func() bool { return shown() == 2 }, time.Minute, 50*time.Millisecond)
}
