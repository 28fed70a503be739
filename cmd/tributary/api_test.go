package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// apiDocument is what these tests need of /openapi.json.
type apiDocument struct {
	Paths map[string]map[string]*apiOperation `json:"paths"`
}

type apiOperation struct {
	method, path string

	ID         string         `json:"operationId"` //nolint:tagliatelle // OpenAPI's name
	Parameters []apiParameter `json:"parameters"`
	Body       struct {
		Content map[string]struct {
			Example json.RawMessage `json:"example"`
		} `json:"content"`
	} `json:"requestBody"` //nolint:tagliatelle // OpenAPI's name
	Responses map[string]any   `json:"responses"`
	Security  []map[string]any `json:"security"`
}

type apiParameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
}

// operations are all calls of the API, as it describes itself.
func (s served) operations(t *testing.T) []*apiOperation {
	t.Helper()
	got := s.call(t, http.MethodGet, "/openapi.json", "", "")
	require.Equal(t, http.StatusOK, got.status)
	var document apiDocument
	require.NoError(t, json.Unmarshal([]byte(got.body), &document))
	var all []*apiOperation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			op := document.Paths[path][method]
			op.method, op.path = strings.ToUpper(method), path
			all = append(all, op)
		}
	}
	require.NotEmpty(t, all)
	return all
}

// content is a body's type and example; JSON where that is one of several.
func (op *apiOperation) content(t testing.TB) (contentType, example string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(op.Body.Content)) {
		if name == "application/json" && op.Body.Content[name].Example != nil || contentType == "" {
			contentType, example = name, string(op.Body.Content[name].Example)
		}
	}
	if contentType != "" {
		require.NotEmpty(t, example, "%s %s: the description of a body has an example", op.method, op.path)
	}
	return contentType, example
}

// apiThings are what the sample has that a path can name, and a parameter that has to be there. A new one is to be added here:
// how else would it be known that it keeps to its ledger?
func apiThings() map[string]string {
	return map[string]string{
		"/v1/payments/{id}":              "pay-1001",
		"/v1/payments/{id}/post":         "pay-1001",
		"/v1/payments/{id}/fail":         "pay-1001",
		"/v1/payments/{id}/refunds":      "pay-1001",
		"/v1/receipts/{id}":              "rcpt-1007",
		"/v1/receivers/{id}":             "rcv-7",
		"/v1/balances/{account}":         "merchant:acme:payable",
		"/v1/accounts/{account}/entries": "merchant:acme:payable",
		"/v1/sites/{plugin_id}/posts":    "tea-blog",
		"/v1/providers/{name}/webhooks":  "sandbox",
		"user_id":                        "ana",
	}
}

// address is the call's, with this in its path and the sample's values in what has to be there.
func (op *apiOperation) address(t testing.TB, thing string) string {
	t.Helper()
	path, query := op.path, url.Values{}
	for _, p := range op.Parameters {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(thing))
		case p.In == "query" && p.Required:
			value, known := apiThings()[p.Name]
			require.True(t, known, "%s %s needs %s, which apiThings lacks", op.method, op.path, p.Name)
			query.Set(p.Name, value)
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// ask makes the call with a key, an idempotency key of the test's, and the described example of a body.
func (s served) ask(t testing.TB, op *apiOperation, address, key string) reply {
	t.Helper()
	contentType, body := op.content(t)
	return s.send(t, op.method, address, body, map[string]string{
		"Authorization": "Bearer " + key, "Content-Type": contentType, "Idempotency-Key": "walk-" + op.ID,
	})
}

// theAPI is a gateway with all projectors, whose main ledger has the sample.
func theAPI(t *testing.T) served {
	t.Helper()
	b := migrated(t).withClickHouse(t)
	b.project(t)
	b.must(t, "publish", write(t, sample), "--wait")
	s := b.serve(t, "--http-rate", "0")
	s.awaitReady(t)
	return s
}

func TestTheAPI(t *testing.T) {
	t.Parallel()
	s := theAPI(t)
	t.Cleanup(func() {
		for line := range strings.Lines(s.stderr.String()) {
			require.NotContains(t, line, `"level":"ERROR"`)
		}
	})
	t.Run("keeps to the ledger and the owners of a key", func(t *testing.T) {
		t.Parallel()
		testForeignKeys(t, s)
	})
	t.Run("bears hostile input", func(t *testing.T) {
		t.Parallel()
		testHostileInput(t, s)
	})
	t.Run("does what it says", func(t *testing.T) {
		t.Parallel()
		testSchemathesis(t, s)
	})
}

// testForeignKeys holds every route, those to come as well, to one rule: with a key of another ledger, or one that is confined to other
// merchants and sites, what is there is answered as what is not.
func testForeignKeys(t *testing.T, s served) {
	t.Helper()
	own := s.books.key(t, "--scope", "all")
	foreign := s.books.key(t, "--scope", "all", "--ledger", "elsewhere")
	empty := s.books.key(t, "--scope", "all", "--ledger", "empty")
	confined := s.books.key(t, "--scope", "all", "--owner", "nobodys")
	operations := s.operations(t)
	// Reads come first: what a foreign key writes it sees in its own ledger.
	slices.SortStableFunc(operations, func(a, b *apiOperation) int { return strings.Compare(a.method, b.method) })

	before := s.seen(t, operations, own, "")
	var written []string
	for _, op := range operations {
		if len(op.Security) == 0 || op.ID == "get-caller" {
			continue
		}
		name := op.method + " " + op.path
		thing := ""
		if strings.Contains(op.path, "{") {
			var known bool
			thing, known = apiThings()[op.path]
			require.True(t, known, "apiThings lacks a thing of the sample for %s", name)
		}
		theirs := s.ask(t, op, op.address(t, thing), foreign)
		if at := theirs.header.Get("Tributary-Position"); at != "" {
			written = append(written, strings.Split(at, ",")...)
		}
		mine := s.ask(t, op, op.address(t, thing), confined)
		if op.method != http.MethodGet {
			require.Empty(t, mine.header.Get("Tributary-Position"), "%s wrote for a merchant or site that is not the key's: %s", name, mine.body)
		}
		if thing == "" {
			if op.method == http.MethodGet {
				require.Equal(t, s.ask(t, op, op.address(t, ""), empty).body, theirs.body, name)
				requireNothingSeen(t, name, mine, s.ask(t, op, op.address(t, ""), empty))
			}
			continue
		}
		const absent = "no-such-thing"
		requireSame(t, name+" of another ledger", theirs, thing, s.ask(t, op, op.address(t, absent), foreign), absent)
		if op.method == http.MethodGet {
			require.Equal(t, http.StatusOK, s.ask(t, op, op.address(t, thing), own).status, "%s: the sample has %s", name, thing)
			requireSame(t, name+" of other owners", mine, thing, s.ask(t, op, op.address(t, absent), confined), absent)
		}
	}
	require.NotEmpty(t, written, "a foreign key writes into its own ledger")
	require.Equal(t, before, s.seen(t, operations, own, strings.Join(written, ",")), "nothing of that is seen in this one")
}

// requireSame compares answers about a thing that is there and one that is not; each may repeat what it was asked for.
func requireSame(t *testing.T, name string, got reply, thing string, want reply, absent string) {
	t.Helper()
	require.Equal(t, want.status, got.status, "%s: %s", name, got.body)
	if got.header.Get("Tributary-Position") != "" {
		return // written into the key's own ledger, under ids of its own
	}
	require.Equal(t, strings.ReplaceAll(want.body, absent, "it"), strings.ReplaceAll(got.body, thing, "it"), name)
}

// requireNothingSeen is as in an empty ledger, or not allowed.
func requireNothingSeen(t *testing.T, name string, got, empty reply) {
	t.Helper()
	if got.status != http.StatusForbidden {
		require.Equal(t, empty.body, got.body, name)
	}
}

// seen is what each read shows of the sample, once it is past these positions.
func (s served) seen(t *testing.T, operations []*apiOperation, key, after string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, op := range operations {
		if op.method != http.MethodGet || len(op.Security) == 0 {
			continue
		}
		address := op.address(t, apiThings()[op.path])
		waits := slices.ContainsFunc(op.Parameters, func(p apiParameter) bool { return p.Name == "after" })
		for position := range strings.SplitSeq(after, ",") {
			if position == "" || !waits {
				continue
			}
			separator := "?"
			if strings.Contains(address, "?") {
				separator = "&"
			}
			address += separator + "after=" + url.QueryEscape(position)
		}
		got := s.ask(t, op, address, key)
		require.Equal(t, http.StatusOK, got.status, "%s: %s", address, got.body)
		all[op.ID] = got.body
	}
	return all
}

// problemOf is the problem that an answer is.
func (r reply) problemOf(t testing.TB, what string) (code string) {
	t.Helper()
	require.Equal(t, "application/problem+json", r.header.Get("Content-Type"), "%s: %d %s", what, r.status, r.body)
	var problem struct {
		Status int    `json:"status"`
		Code   string `json:"code"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.body), &problem), "%s: %s", what, r.body)
	require.Equal(t, r.status, problem.Status, what)
	require.NotEmpty(t, problem.Code, what)
	return problem.Code
}
