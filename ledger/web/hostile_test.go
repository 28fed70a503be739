package web_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/web"
)

// answered asks over a connection of its own, as any client would.
func answered(t *testing.T, server *web.Server, request string) int {
	t.Helper()
	conn := dial(t, server)
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, request) // a server may answer before it has read all
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	_, err = io.Copy(io.Discard, response.Body)
	require.NoError(t, err)
	return response.StatusCode
}

const goodRequest = "GET /v1/things/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer good\r\nConnection: close\r\n\r\n"

// manyConnections is 10,000, or as many as this process may have both ends of, and keep some files.
func manyConnections(t *testing.T) int {
	t.Helper()
	const wanted, others = 10_000, 500
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	return int(min(wanted, (limit.Cur-others)/2))
}

func TestThousandsWhoSayNothingTakeNothingFromOthers(t *testing.T) {
	t.Parallel()
	many := manyConnections(t)
	// Fewer are allowed than come, so that room has to be made.
	server := listening(t, newGated(reader, 0).handler, web.Options{MaxConnections: many / 2})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range many {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Address())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		if i%3 == 0 { // and some say it slowly
			_, _ = io.WriteString(conn, "GET /v1/things/1 HTTP/1.1\r\nX-Slow: ")
		}
		if i%1000 == 0 {
			require.Equal(t, http.StatusOK, answered(t, server, goodRequest), "with %d connections open", i)
		}
	}
	require.Equal(t, http.StatusOK, answered(t, server, goodRequest))
	runtime.ReadMemStats(&after)
	grown := int64(after.HeapInuse) - int64(before.HeapInuse)
	require.Less(t, grown, int64(many)*32<<10, "bytes, of both ends")
	t.Logf("%d connections, %d allowed: the heap grew by %d MiB", many, many/2, grown>>20)
}

func TestASlowClientIsGivenUp(t *testing.T) {
	t.Parallel()
	server := listening(t, newGated(reader, 0).handler, web.Options{})
	began := time.Now()
	conn := dial(t, server)
	_, err := io.WriteString(conn, "GET /v1/things/1 HTTP/1.1\r\n")
	require.NoError(t, err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn) // until the server hangs up, in whichever way
	}()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	for i := 0; ; i++ { // a header every so often, for ever
		select {
		case <-ended:
			require.Less(t, time.Since(began), 30*time.Second)
			return
		case <-ticker.C:
			_, _ = fmt.Fprintf(conn, "X-%d: a\r\n", i)
		}
	}
}

func TestAFloodOfHeadersIsRefused(t *testing.T) {
	t.Parallel()
	server := listening(t, newGated(reader, 0).handler, web.Options{})
	for name, headers := range map[string]string{
		"many":     strings.Repeat("X-A: b\r\n", 20_000),
		"one":      "X-A: " + strings.Repeat("b", 200_000) + "\r\n",
		"no name":  ": b\r\n",
		"two ends": "Content-Length: 1\r\nContent-Length: 2\r\n",
		"smuggled": "Transfer-Encoding: chunked, identity\r\n",
	} {
		status := answered(t, server, strings.TrimSuffix(goodRequest, "\r\n")+headers+"\r\n")
		require.Contains(t, []int{400, 431, 501}, status, name)
	}
	require.Contains(t, []int{400, 414, 431},
		answered(t, server, "GET /"+strings.Repeat("a", 200_000)+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"))
	require.Equal(t, http.StatusOK, answered(t, server, goodRequest))
}
