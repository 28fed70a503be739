package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tributary is a gateway, called with one key. It may be used by many at once.
type Tributary struct {
	// Client makes the same calls, and answers with what came.
	Client *Client
}

// patience is how long a call may take, unless the caller brings an HTTP client of its own: longer than a gateway waits for a payment's
// provider.
const patience = time.Minute

// New is a gateway at a URL, called with an API key or a token. It dials nothing yet.
func New(url, key string, options ...ClientOption) (*Tributary, error) {
	options = append([]ClientOption{
		WithHTTPClient(&http.Client{Timeout: patience}),
		WithRequestEditorFn(func(_ context.Context, request *http.Request) error {
			request.Header.Set("Authorization", "Bearer "+key)
			return nil
		}),
	}, options...)
	raw, err := NewClient(url, options...)
	if err != nil {
		return nil, fmt.Errorf("call the gateway at %s: %w", url, err)
	}
	return &Tributary{raw}, nil
}

// Answer is what a call that went well was answered.
type Answer[T any] struct {
	Value T
	// Status tells apart what is done (200, 201) from what is under way (202); 304 comes without a value.
	Status int
	// Position is where the log has what a write wrote: a read's After waits until the books are past it.
	Position []string
	// ETag is a read's IfNoneMatch, the next time.
	ETag string
}

// Error is why a gateway refused a call, for errors.AsType.
type Error struct {
	Problem

	// RetryAfter is when to try again, where the gateway said so.
	RetryAfter time.Duration
}

// Error is the problem in a line.
func (e *Error) Error() string {
	where := ""
	if e.Path != "" {
		where = " at " + e.Path
	}
	return fmt.Sprintf("%d %s%s: %s", e.Status, e.Code, where, e.Detail)
}

// maxAnswer bounds how much of an answer is read: the longest are pages of a statement.
const maxAnswer = 64 << 20

// read takes an answer apart. Errors: an *Error where the gateway refused, and else what failed on the way.
func read[T any](response *http.Response, err error) (*Answer[T], error) {
	if err != nil {
		return nil, fmt.Errorf("call the gateway: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the gateway's answer: %w", err)
	}
	if response.StatusCode >= http.StatusBadRequest {
		return nil, problemOf(response, body)
	}
	answer := &Answer[T]{Status: response.StatusCode, ETag: response.Header.Get("ETag")}
	if at := response.Header.Get("Tributary-Position"); at != "" {
		answer.Position = strings.Split(at, ",")
	}
	if response.StatusCode == http.StatusNotModified {
		return answer, nil
	}
	if err := json.Unmarshal(body, &answer.Value); err != nil {
		return nil, fmt.Errorf("read the gateway's answer, %d: %w", response.StatusCode, err)
	}
	return answer, nil
}

// problemOf is why the gateway refused, or why somebody between did.
func problemOf(response *http.Response, body []byte) *Error {
	refused := &Error{}
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil || media != "application/problem+json" || json.Unmarshal(body, &refused.Problem) != nil {
		const most = 200
		refused.Problem = Problem{
			Status: int64(response.StatusCode), Title: http.StatusText(response.StatusCode), Code: "not_from_the_gateway",
			Detail: strings.ToValidUTF8(string(body[:min(len(body), most)]), "�"),
		}
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		refused.RetryAfter = time.Duration(seconds) * time.Second
	}
	return refused
}
