package clickhouse_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between an owner and ClickHouse, and does with inserts of rows what a test asks for.
type proxy struct {
	server *httptest.Server
	target *url.URL

	mu     sync.Mutex
	insert func(w http.ResponseWriter, request *forwarded)
}

// forwarded is a whole request on its way.
type forwarded struct {
	proxy  *proxy
	method string
	query  url.Values
	header http.Header
	body   []byte
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	parsed, err := url.Parse(target)
	require.NoError(t, err)
	p := &proxy{target: parsed}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

// URL is that of the server, through the proxy.
func (p *proxy) URL() string {
	through := *p.target
	through.Host = strings.TrimPrefix(p.server.URL, "http://")
	return through.String()
}

// onInsert sets what is done with inserts of rows; nil forwards them.
func (p *proxy) onInsert(insert func(w http.ResponseWriter, request *forwarded)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.insert = insert
}

// ServeHTTP takes the whole request and forwards it, whether or not the client still waits.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request := &forwarded{p, r.Method, r.URL.Query(), r.Header, body}
	p.mu.Lock()
	insert := p.insert
	p.mu.Unlock()
	if insert != nil && strings.Contains(request.query.Get("query"), ".rows_g") {
		insert(w, request)
		return
	}
	request.answer(w)
}

// answer forwards the request and its answer.
func (f *forwarded) answer(w http.ResponseWriter) {
	response, err := f.send()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close() //nolint:errcheck // Read to its end, or abandoned.
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// send sends the request to the server.
func (f *forwarded) send() (*http.Response, error) {
	target := url.URL{Scheme: "http", Host: f.proxy.target.Host, Path: "/", RawQuery: f.query.Encode()}
	request, err := http.NewRequest(f.method, target.String(), bytes.NewReader(f.body)) //nolint:noctx // It outlives its client on purpose.
	if err != nil {
		return nil, err
	}
	request.Header = f.header.Clone()
	return (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(request)
}

// sendPart sends the head of the request, with the full length, and only so much of its body.
func (f *forwarded) sendPart(most int) error {
	conn, err := net.Dial("tcp", f.proxy.target.Host) //nolint:noctx // As above.
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // Cutting it is what it is for.
	head := fmt.Sprintf("POST /?%s HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n",
		f.query.Encode(), f.proxy.target.Host, f.header.Get("Authorization"), len(f.body))
	_, err = conn.Write(append([]byte(head), f.body[:most]...))
	return err
}
