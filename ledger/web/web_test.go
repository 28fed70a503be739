package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tributary-ledger/tributary/ledger/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ask(t *testing.T, handler http.Handler, method, path, accept string) (int, string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	request.Header.Set("Accept", accept)
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func TestAReadyProcess(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	events := prometheus.NewCounter(prometheus.CounterOpts{Name: "events_total", Help: "Events."})
	registry.MustRegister(events)
	events.Inc()
	handler := web.Health{Ready: func() error { return nil }, Metrics: registry}.Handler()
	for path, want := range map[string]string{"/livez": "ok\n", "/readyz": "ready\n"} {
		code, body := ask(t, handler, http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, want, body)
		code, _ = ask(t, handler, http.MethodHead, path, "")
		require.Equal(t, http.StatusOK, code)
		code, _ = ask(t, handler, http.MethodPost, path, "")
		require.Equal(t, http.StatusMethodNotAllowed, code)
	}
	_, body := ask(t, handler, http.MethodGet, "/metrics", "")
	require.Contains(t, body, "events_total 1")
	code, body := ask(t, handler, http.MethodGet, "/readyz", "application/json")
	require.Equal(t, http.StatusOK, code)
	require.JSONEq(t, `{"ready": true, "reasons": []}`, body)
	code, _ = ask(t, web.Health{}.Handler(), http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusOK, code)
	code, _ = ask(t, web.Health{}.Handler(), http.MethodGet, "/metrics", "")
	require.Equal(t, http.StatusNotFound, code)
}

func TestAProcessThatIsNotReadySaysWhy(t *testing.T) {
	t.Parallel()
	why := errors.Join(
		fmt.Errorf("balances: %w", errors.New("no connection")),
		errors.Join(errors.New("receipts: behind"), errors.New("receivers: behind")),
	)
	handler := web.Health{Ready: func() error { return why }}.Handler()
	code, body := ask(t, handler, http.MethodGet, "/readyz", "text/html")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "not ready:\n- balances: no connection\n- receipts: behind\n- receivers: behind\n", body)
	code, body = ask(t, handler, http.MethodGet, "/readyz", "application/json, */*")
	require.Equal(t, http.StatusServiceUnavailable, code)
	var answer web.Readiness
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	require.Equal(t, web.Readiness{Reasons: []string{"balances: no connection", "receipts: behind", "receivers: behind"}}, answer)
	code, _ = ask(t, handler, http.MethodGet, "/livez", "")
	require.Equal(t, http.StatusOK, code)
}

func TestAServerAnswersWhatIsUnderWayBeforeItStops(t *testing.T) {
	t.Parallel()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-goOn
		_, _ = io.WriteString(w, "done")
	})
	server, err := web.Listen(t.Context(), "127.0.0.1:0", handler, nil)
	require.NoError(t, err)
	require.Equal(t, "http://"+server.Address(), server.URL())
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- server.Run(ctx) }()

	answered := make(chan string, 1)
	go func() {
		request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, server.URL(), http.NoBody)
		if err != nil {
			answered <- err.Error()
			return
		}
		transport := &http.Transport{DisableKeepAlives: true}
		response, err := transport.RoundTrip(request)
		if err != nil {
			answered <- err.Error()
			return
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			answered <- err.Error()
			return
		}
		answered <- string(body)
	}()
	<-arrived
	cancel()
	close(goOn)
	require.Equal(t, "done", <-answered)
	require.NoError(t, <-stopped)

	_, err = web.Listen(t.Context(), "127.0.0.1:99999", handler, nil)
	require.ErrorContains(t, err, "127.0.0.1:99999")
}

func TestAnAddressForAllIsShownAsLocal(t *testing.T) {
	t.Parallel()
	server, err := web.Listen(t.Context(), ":0", http.NotFoundHandler(), nil)
	require.NoError(t, err)
	require.Contains(t, server.URL(), "http://localhost:")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, server.Run(ctx))
}
