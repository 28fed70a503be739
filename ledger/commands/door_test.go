package commands_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/commands"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// door is an API over a log of its own.
type door struct {
	url string
	log eventlog.Config
}

func newDoor(t *testing.T) *door {
	t.Helper()
	return newDoorTo(t, stacktest.Kafka(t), 0)
}

// newDoorTo waits for the log for so long; 0 means as long as in production.
func newDoorTo(t *testing.T, brokers []string, patience time.Duration) *door {
	t.Helper()
	config := eventlog.Config{Brokers: brokers}
	admin, err := eventlog.NewAdmin(config)
	require.NoError(t, err)
	defer admin.Close()
	_, err = admin.Ensure(t.Context(), eventlog.TopicSettings{Partitions: 3})
	require.NoError(t, err)
	writer, err := eventlog.NewWriter(config)
	require.NoError(t, err)
	t.Cleanup(writer.Close)
	atomic, err := eventlog.NewAtomicWriter(config, "door")
	require.NoError(t, err)
	t.Cleanup(atomic.Close)
	return &door{serve(t, &commands.Commands{Log: writer, Atomic: atomic, Now: noon, Patience: patience}), config}
}

func noon() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// serve is the API of these commands. The token of a request is the caller: "ledger" or "ledger:owner".
func serve(t *testing.T, c *commands.Commands) string {
	t.Helper()
	mux := http.NewServeMux()
	api := web.NewAPI(mux, web.APIConfig{Version: "test", Authenticate: func(_ context.Context, token string) (*web.Principal, error) {
		books, owner, confined := strings.Cut(token, ":")
		caller := &web.Principal{ID: "key-of-" + token, Ledger: books, Scopes: web.Scopes()}
		if confined {
			caller.Owners = []string{owner}
		}
		return caller, nil
	}})
	c.Register(api)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends a body to a path as a caller.
func post(t *testing.T, url, caller, body string, header ...string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+caller)
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	require.NoError(t, err)
	defer response.Body.Close() //nolint:errcheck // it is only read
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, response.Header, string(text)}
}

// problem is the answer's, which must be one.
func (a answer) problem(t *testing.T) web.Problem {
	t.Helper()
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	var p web.Problem
	require.NoError(t, json.Unmarshal([]byte(a.body), &p))
	require.Equal(t, a.status, p.Status)
	return p
}

// records are all of a topic's events, in the log's order within each partition.
func (d *door) records(t *testing.T, topic string) []*ledger.Event {
	t.Helper()
	admin, err := eventlog.NewAdmin(d.log)
	require.NoError(t, err)
	defer admin.Close()
	ends, err := admin.EndOffsets(t.Context(), topic)
	require.NoError(t, err)
	var all []*ledger.Event
	err = eventlog.ReadRange(t.Context(), d.log, eventlog.Range{To: ends, AtOnce: 1}, func(_ context.Context, batch eventlog.Batch) error {
		for i := range batch.Records {
			if event := batch.Records[i].Event; event != nil {
				all = append(all, event)
			}
		}
		return nil
	})
	require.NoError(t, err)
	return all
}
