package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
)

const problemType = "application/problem+json"

// describe makes every operation say what all have in common: who may call it, and how it can fail.
func describe(_ *huma.OpenAPI, op *huma.Operation) {
	delete(op.Responses, "default") // it would say that anything can happen
	for _, status := range failuresOf(op) {
		name := strconv.Itoa(status)
		if op.Responses[name] == nil {
			op.Responses[name] = &huma.Response{}
		}
		response := op.Responses[name]
		if response.Description == "" || response.Description == http.StatusText(status) {
			response.Description = meaningOf(status)
		}
		if response.Content == nil {
			response.Content = map[string]*huma.MediaType{problemType: {Schema: &huma.Schema{Ref: "#/components/schemas/Problem"}}}
		}
		if header := headerOf(status); header != "" {
			response.Headers = map[string]*huma.Param{header: {Schema: &huma.Schema{Type: "string"}}}
		}
	}
	if scopes := scopesOf(op); len(scopes) > 0 && !strings.Contains(op.Description, "Scope:") {
		op.Description = strings.TrimSpace(op.Description + "\n\nScope: " + strings.Join(scopes, ", "))
	}
}

// failuresOf are the statuses by which the gate, the checks of input and the stores can end any such request.
func failuresOf(op *huma.Operation) []int {
	failures := []int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError, http.StatusServiceUnavailable}
	if len(op.Security) > 0 {
		failures = append(failures, http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests)
	}
	if op.RequestBody != nil {
		failures = append(failures, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	if strings.Contains(op.Path, "{") {
		failures = append(failures, http.StatusNotFound)
	}
	return failures
}

// meaningOf is the meaning of the first code that has the status.
func meaningOf(status int) string {
	all := explanations()
	i := slices.IndexFunc(all, func(e explanation) bool { return e.Status == status })
	if i < 0 {
		return http.StatusText(status)
	}
	return all[i].Meaning
}

func headerOf(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "WWW-Authenticate"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "Retry-After"
	}
	return ""
}

// addExamples gives every body that has none an example, made of its fields' own.
func addExamples(doc *huma.OpenAPI) {
	shapes := shapes{doc.Components.Schemas}
	add := func(content map[string]*huma.MediaType) {
		for contentType, media := range content {
			if media.Example == nil && media.Schema != nil && strings.HasSuffix(contentType, "json") && contentType != problemType {
				media.Example = shapes.example(media.Schema, 0)
			}
		}
	}
	for _, op := range operationsOf(doc) {
		add(contentOf(op.RequestBody))
		for _, response := range op.Responses {
			add(response.Content)
		}
	}
}

// serveDocument serves the description of the API: as OpenAPI 3.1, as 3.0 for tools that know no other, and as pages for people.
func serveDocument(mux *http.ServeMux, api huma.API) {
	complete := sync.OnceFunc(func() { addExamples(api.OpenAPI()) })
	serve := func(path, contentType string, render func() ([]byte, error)) {
		rendered := sync.OnceValues(func() ([]byte, error) {
			complete()
			return render()
		}) // when it is first asked for, all operations are registered
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			body, err := rendered()
			if err != nil {
				panic(err) // it is made of our own declarations; the gate answers
			}
			w.Header().Set("Content-Type", contentType)
			w.Header().Set("Cache-Control", "max-age=60")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'")
			_, _ = w.Write(body) // whoever asked is gone
		})
	}
	const html = "text/html; charset=utf-8"
	serve("/openapi.json", "application/json", func() ([]byte, error) { return json.MarshalIndent(api.OpenAPI(), "", " ") })
	serve("/openapi-3.0.json", "application/json", func() ([]byte, error) { return api.OpenAPI().Downgrade() })
	serve("/docs", html, func() ([]byte, error) { return renderDocs(api.OpenAPI()) })
	serve("/docs/errors", html, renderErrors)
	serve("/docs/style.css", "text/css; charset=utf-8", func() ([]byte, error) { return docsFiles.ReadFile("docs/style.css") })
}
