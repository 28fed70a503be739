package web_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

// requestCodes are the constants of problem.go.
func requestCodes(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "problem.go", nil, 0)
	require.NoError(t, err)
	var codes []string
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "Code") {
			return true
		}
		code, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		require.NoError(t, err)
		codes = append(codes, code)
		return true
	})
	require.NotEmpty(t, codes)
	return codes
}

func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	page := newGated(reader, 0).do(t, http.MethodGet, "/docs/errors", "")
	require.Equal(t, http.StatusOK, page.Code)
	codes := requestCodes(t)
	for _, code := range ledger.Codes() {
		codes = append(codes, string(code))
	}
	for _, code := range codes {
		require.Contains(t, page.Body.String(), `<section class="call" id="`+code+`">`)
		require.Contains(t, page.Body.String(), `/docs/errors#`+code, "its example")
	}
	require.Len(t, regexp.MustCompile(`<section `).FindAllString(page.Body.String(), -1), len(codes), "a code that there is not is explained")
}

func TestThePagesNeedNobodyElse(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 0)
	for _, path := range []string{"/docs", "/docs/errors", "/docs/style.css"} {
		page := g.do(t, http.MethodGet, path, "", "Authorization", "")
		require.Equal(t, http.StatusOK, page.Code)
		require.NotContains(t, page.Body.String(), "<script")
		for _, link := range regexp.MustCompile(`(?:src|href|url)\s*[=(]\s*"?([^"\s)>]+)`).FindAllStringSubmatch(page.Body.String(), -1) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if target == "" {
				require.Contains(t, page.Body.String(), `id="`+anchor+`"`)
				continue
			}
			require.Equal(t, http.StatusOK, g.do(t, http.MethodGet, target, "").Code, link[1])
		}
		require.Contains(t, page.Header().Get("Content-Security-Policy"), "default-src 'none'")
	}
	page := g.do(t, http.MethodGet, "/docs", "").Body.String()
	for _, words := range []string{"/v1/things/{id}", "receipts:read", "Authorization: Bearer $TRIBUTARY_API_KEY"} {
		require.Contains(t, page, words)
	}
}

func TestTheDocumentSaysHowCallsFail(t *testing.T) {
	t.Parallel()
	g := newGated(reader, 0)
	var document struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			Responses map[string]struct {
				Description string `json:"description"`
				Content     map[string]struct {
					Schema struct {
						Ref string `json:"$ref"`
					} `json:"schema"`
				} `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(g.do(t, http.MethodGet, "/openapi.json", "").Body.Bytes(), &document))
	require.Regexp(t, `^3\.1\.`, document.OpenAPI)
	responses := document.Paths["/v1/things"]["post"].Responses
	for _, status := range []string{"400", "401", "403", "408", "413", "415", "422", "429", "500", "503"} {
		require.NotEmpty(t, responses[status].Description, status)
		ref := responses[status].Content["application/problem+json"].Schema.Ref
		require.Equal(t, "#/components/schemas/Problem", ref, status)
	}
	require.Contains(t, document.Components.Schemas, "Problem")
	require.NotContains(t, responses, "default", "it would allow anything")
	require.Contains(t, document.Paths["/v1/things/{id}"]["get"].Responses, "404")
	older := g.do(t, http.MethodGet, "/openapi-3.0.json", "").Body.String()
	require.Contains(t, older, `"openapi":"3.0.`)
}
