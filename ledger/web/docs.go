package web

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed docs
var docsFiles embed.FS

// docsOperation is a call as the page shows it.
type docsOperation struct {
	ID, Method, Path, Summary string
	Paragraphs, Scopes        []string
	Public                    bool
	Parameters, Body          []docsField
	Curl                      string
	Answers, Failures         []docsAnswer
}

type docsField struct {
	Name, In, Type, Description, Example string
	Required                             bool
}

type docsAnswer struct {
	Status, Word, Description, Example string
	Headers                            []docsField
}

type docsGroup struct {
	Name       string
	Operations []docsOperation
}

type docsPage struct {
	Title, Version string
	Groups         []docsGroup
	Scopes         []Scope
	Errors         []docsError
}

type docsError struct {
	explanation

	Word, Example string
}

func renderPage(name string, page docsPage) ([]byte, error) {
	pages, err := template.New(name).Funcs(template.FuncMap{"code": withCode}).ParseFS(docsFiles, "docs/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("read the templates of /docs: %w", err)
	}
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, name, page); err != nil {
		return nil, fmt.Errorf("render /docs: %w", err)
	}
	return out.Bytes(), nil
}

// withCode makes code of what stands between backticks.
func withCode(text string) template.HTML {
	var out strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			part = "<code>" + template.HTMLEscapeString(part) + "</code>"
		} else {
			part = template.HTMLEscapeString(part)
		}
		out.WriteString(part)
	}
	return template.HTML(out.String()) //nolint:gosec // all of it is escaped above
}

// renderDocs is the page of all calls, from the document that programs read.
func renderDocs(doc *huma.OpenAPI) ([]byte, error) {
	page := docsPage{Title: "Tributary HTTP API", Version: doc.Info.Version, Scopes: Scopes()}
	byTag := map[string]int{}
	shapes := shapes{doc.Components.Schemas}
	for _, op := range operationsOf(doc) {
		tag := "Other"
		if len(op.Tags) > 0 {
			tag = op.Tags[0]
		}
		at, ok := byTag[tag]
		if !ok {
			at = len(page.Groups)
			byTag[tag] = at
			page.Groups = append(page.Groups, docsGroup{Name: tag})
		}
		page.Groups[at].Operations = append(page.Groups[at].Operations, shapes.operation(op))
	}
	return renderPage("calls.tmpl", page)
}

// renderErrors is the page of all codes.
func renderErrors() ([]byte, error) {
	page := docsPage{Title: "Errors of the Tributary HTTP API"}
	for _, e := range explanations() {
		example, err := json.MarshalIndent(NewProblem(e.Status, Code(e.Code), e.Detail).At(e.Path), "", "  ")
		if err != nil {
			return nil, fmt.Errorf("show the problem %s: %w", e.Code, err)
		}
		page.Errors = append(page.Errors, docsError{e, http.StatusText(e.Status), string(example)})
	}
	return renderPage("errors.tmpl", page)
}

// operationsOf are all, by path, those that write first.
func operationsOf(doc *huma.OpenAPI) []*huma.Operation {
	var all []*huma.Operation
	for _, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op != nil {
				all = append(all, op)
			}
		}
	}
	slices.SortFunc(all, func(a, b *huma.Operation) int {
		if a.Path != b.Path {
			return strings.Compare(a.Path, b.Path)
		}
		return -strings.Compare(a.Method, b.Method)
	})
	return all
}

func (s shapes) operation(op *huma.Operation) docsOperation {
	shown := docsOperation{
		ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Scopes: scopesOf(op), Public: len(op.Security) == 0,
	}
	description, _, _ := strings.Cut(op.Description, "Scope: ")
	for paragraph := range strings.SplitSeq(strings.TrimSpace(description), "\n\n") {
		shown.Paragraphs = append(shown.Paragraphs, paragraph)
	}
	for _, p := range op.Parameters {
		shown.Parameters = append(shown.Parameters, docsField{
			Name: p.Name, In: p.In, Type: s.typeOf(p.Schema), Required: p.Required, Description: s.described(p.Description, p.Schema),
			Example: textOf(s.parameterExample(p)),
		})
	}
	contentType, media := mediaOf(contentOf(op.RequestBody))
	if media != nil {
		shown.Body = s.fields("", media.Schema, 0)
	}
	shown.Curl = s.curl(op, contentType, media)
	for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
		response := op.Responses[status]
		answer := docsAnswer{Status: status, Description: response.Description}
		var code int
		if _, err := fmt.Sscan(status, &code); err == nil {
			answer.Word = http.StatusText(code)
		}
		if code >= http.StatusBadRequest {
			shown.Failures = append(shown.Failures, answer)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(response.Headers)) {
			if name == "Cache-Control" {
				continue
			}
			header := response.Headers[name]
			answer.Headers = append(answer.Headers, docsField{
				Name: name, Type: s.typeOf(header.Schema), Description: header.Description, Example: textOf(s.parameterExample(header)),
			})
		}
		if _, media := mediaOf(response.Content); media != nil {
			answer.Example = indented(s.mediaExample(media))
		}
		shown.Answers = append(shown.Answers, answer)
	}
	return shown
}

func contentOf(body *huma.RequestBody) map[string]*huma.MediaType {
	if body == nil {
		return nil
	}
	return body.Content
}

// mediaOf is JSON where that is one of several.
func mediaOf(content map[string]*huma.MediaType) (string, *huma.MediaType) {
	names := slices.Sorted(maps.Keys(content))
	if len(names) == 0 {
		return "", nil
	}
	for _, preferred := range []string{"application/cloudevents+json", "application/json"} {
		if content[preferred] != nil {
			return preferred, content[preferred]
		}
	}
	return names[0], content[names[0]]
}

// curl is the call as one types it.
func (s shapes) curl(op *huma.Operation, contentType string, media *huma.MediaType) string {
	path, query := op.Path, url.Values{}
	lines := []string{""}
	if len(op.Security) > 0 {
		lines = append(lines, `-H "Authorization: Bearer $TRIBUTARY_API_KEY"`)
	}
	for _, p := range op.Parameters {
		example := textOf(s.parameterExample(p))
		switch {
		case p.In == "path" && example != "":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", strings.ReplaceAll(url.PathEscape(example), "%3A", ":"))
		case p.In == "query" && p.Required:
			query.Set(p.Name, example)
		case p.In == "header" && example != "" && p.Name == "Idempotency-Key":
			lines = append(lines, "-H "+quoted(p.Name+": "+example))
		}
	}
	if media != nil {
		if contentType != "application/json" {
			lines = append(lines, "-H "+quoted("Content-Type: "+contentType), "--data "+quoted(indented(s.mediaExample(media))))
		} else {
			lines = append(lines, "--json "+quoted(indented(s.mediaExample(media))))
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	lines[0] = `curl "$TRIBUTARY_HTTP_URL` + path + `"`
	return strings.Join(lines, " \\\n  ")
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}
