package queries

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/maypok86/otter/v2"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/receipts"
)

const (
	// freshFor is how old an answer may be that is given again without a look at the tables.
	freshFor = 400 * time.Millisecond
	// cacheBytes bounds the answers that are kept, of each kind.
	cacheBytes = 128 << 20
	// entryBytes is about what an entry takes beside its texts.
	entryBytes = 400
	// cacheControl says that others may not keep an answer, and the caller must ask whether it still holds.
	cacheControl = "private, no-cache"
)

// name is what something is called, in a ledger.
type name struct{ ledger, id string }

// answer is what is answered of something. It never changes.
type answer struct {
	read

	// of is the receipt, whose owner and version matter; it has no lines. Empty of a balance.
	of   receipts.Found
	etag string
	body []byte
}

// answers keeps what was answered. One that does not hold any more is given again only after a look at the tables, and those
// looks are taken together: however many are asked for at the same time, it is two statements at once.
type answers struct {
	q        *Queries
	of       projection
	what     string // they are of, for people
	kept     *otter.Cache[name, *answer]
	gatherer gatherer[name, *answer]
	// look reads from a store what there is; before has what is kept of each, or nil.
	look func(ctx context.Context, s *store, names []name, before []*answer) (map[name]*answer, error)
	// mine tells whether what has this name may be the caller's, and whether an answer is.
	mine func(*web.Principal, name, *answer) bool
}

func newAnswers(q *Queries, of projection, what string) *answers {
	a := &answers{q: q, of: of, what: what, kept: otter.Must(&otter.Options[name, *answer]{
		MaximumWeight: cacheBytes,
		Weigher: func(n name, a *answer) uint32 {
			return uint32(entryBytes + 2*len(n.ledger) + 2*len(n.id) + len(a.body)) //nolint:gosec // far below
		},
	})}
	a.gatherer.load = func(ctx context.Context, names []name) (map[name]*answer, error) { return a.find(ctx, names, nil) }
	return a
}

// get is the answer for a caller, of a state that includes these positions.
func (a *answers) get(ctx context.Context, id string, positions []eventlog.Position) (*answer, error) {
	caller := web.Caller(ctx)
	n := name{caller.Ledger, id}
	if !isText(id) || !a.mine(caller, n, nil) {
		return nil, notFound(a.what, id)
	}
	found, err := a.past(ctx, n, positions)
	if err == nil && (found == nil || !a.mine(caller, n, found)) {
		err = notFound(a.what, id)
	}
	return found, err
}

func (a *answers) past(ctx context.Context, n name, positions []eventlog.Position) (*answer, error) {
	if len(positions) > 0 {
		found, err := a.find(ctx, []name{n}, positions)
		return found[n], err
	}
	if kept, ok := a.kept.GetIfPresent(n); ok && kept.holds(a.q, a.of, time.Now()) {
		return kept, nil
	}
	return a.gatherer.get(ctx, n)
}

// find reads, and keeps what it finds.
func (a *answers) find(ctx context.Context, names []name, positions []eventlog.Position) (map[name]*answer, error) {
	before := make([]*answer, len(names))
	for i, n := range names {
		before[i], _ = a.kept.GetIfPresent(n)
	}
	found, err := ask(ctx, a.q, a.of, positions, func(ctx context.Context, s *store) (map[name]*answer, error) {
		at := time.Now()
		found, err := a.look(ctx, s, names, before)
		for _, one := range found {
			one.read = read{at, s}
		}
		return found, err
	})
	for n, one := range found {
		a.kept.Set(n, one)
	}
	return found, err
}

// written is an answer with its body and tag; the version stands before a hash of the body.
func written(version int32, shown any) (*answer, error) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // As huma writes it.
	if err := encoder.Encode(shown); err != nil {
		return nil, fmt.Errorf("write an answer as JSON: %w", err)
	}
	hash := fnv.New64a()
	_, _ = hash.Write(body.Bytes()) // It never fails.
	return &answer{etag: fmt.Sprintf(`"%d-%016x"`, version, hash.Sum64()), body: body.Bytes()}, nil
}

// matches tells whether an If-None-Match names the tag: a list, of weak ones too, or a star for any.
func matches(ifNoneMatch, etag string) bool {
	if ifNoneMatch == "" {
		return false
	}
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
			return true
		}
	}
	return false
}

// tagged is the output of reads that have an ETag.
type tagged[T any] struct {
	Status       int
	ETag         string `header:"ETag" example:"\"2-9e83c1f07bd2a645\"" doc:"The version, and a hash of the answer."` //nolint:tagliatelle // HTTP names it so
	CacheControl string `header:"Cache-Control" example:"private, no-cache"`
	Body         T
}

func output[T any](a *answer, ifNoneMatch string) (*tagged[T], error) {
	out := &tagged[T]{Status: http.StatusOK, ETag: a.etag, CacheControl: cacheControl}
	if matches(ifNoneMatch, a.etag) {
		out.Status = http.StatusNotModified
		return out, nil
	}
	if err := json.Unmarshal(a.body, &out.Body); err != nil {
		return nil, fmt.Errorf("read what was answered: %w", err)
	}
	return out, nil
}

// serve makes the operation answer from what is kept, and says so in its documentation.
func (a *answers) serve(api huma.API, op *huma.Operation, parameter string) {
	op.Middlewares = huma.Middlewares{a.middleware(api, parameter)}
	op.Responses = map[string]*huma.Response{strconv.Itoa(http.StatusNotModified): {
		Description: "Not Modified: If-None-Match names the ETag of what there is.",
		Headers: map[string]*huma.Param{
			"ETag": {Schema: &huma.Schema{Type: huma.TypeString}, Description: "The version, and a hash of the answer."},
		},
	}}
}

// middleware answers what names no parameter without the reflection that huma goes by: most of what is asked.
func (a *answers) middleware(api huma.API, parameter string) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		request, response := humago.Unwrap(ctx)
		if request.URL.RawQuery != "" {
			next(ctx)
			return
		}
		found, err := a.get(ctx.Context(), request.PathValue(parameter), nil)
		if err != nil {
			web.Refuse(api, ctx, err)
			return
		}
		header := response.Header()
		header["Etag"] = []string{found.etag}
		header["Cache-Control"] = []string{cacheControl}
		if matches(request.Header.Get("If-None-Match"), found.etag) {
			ctx.SetStatus(http.StatusNotModified)
			return
		}
		header["Content-Type"] = []string{"application/json"}
		header["Content-Length"] = []string{strconv.Itoa(len(found.body))}
		ctx.SetStatus(http.StatusOK)
		_, _ = response.Write(found.body) // Who does not listen any more cannot be told.
	}
}
