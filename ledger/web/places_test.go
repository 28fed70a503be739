package web_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/web"
)

func TestARequestTooManyIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	api := web.NewAPI(mux, web.APIConfig{Version: "1", Authenticate: reader, MaxRequests: 2})
	arrived, goOn := make(chan struct{}), make(chan struct{})
	huma.Register(api, huma.Operation{
		OperationID: "wait", Method: http.MethodGet, Path: "/v1/wait", Security: web.Needs(web.ScopeReceiptsRead),
	}, func(context.Context, *struct{}) (*struct{}, error) {
		arrived <- struct{}{}
		<-goOn
		return nil, nil //nolint:nilnil // no body
	})
	handler := web.Gate{Mux: mux}.Handler()
	ask := func(path, token string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		request.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer
	}
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() { ask("/v1/wait", "good") })
		<-arrived
	}
	refused := ask("/v1/wait", "good")
	require.Equal(t, http.StatusServiceUnavailable, refused.Code)
	require.Equal(t, "1", refused.Header().Get("Retry-After"))
	require.Contains(t, refused.Body.String(), `"unavailable"`)
	require.Equal(t, http.StatusUnauthorized, ask("/v1/wait", "bad").Code, "a stranger takes no place")
	require.Equal(t, http.StatusOK, ask("/livez", "").Code)
	close(goOn)
	waiting.Wait()
	waiting.Go(func() { ask("/v1/wait", "good") })
	<-arrived
	waiting.Wait()
}
