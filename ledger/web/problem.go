package web

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
)

// Code names what is wrong with a request, for programs: a closed list, each documented at /docs/errors. An event that is
// refused has the code of its rule (ledger.Codes) in place of one of these.
type Code string

// The codes of requests, beside those of events.
const (
	CodeBadRequest      Code = "bad_request"            // 400: not even readable
	CodeInvalid         Code = "invalid"                // 422: readable, and against a rule: see errors
	CodeUnauthenticated Code = "unauthenticated"        // 401
	CodeForbidden       Code = "forbidden"              // 403
	CodeNotFound        Code = "not_found"              // 404: is not there, or not yours to know of
	CodeNotAllowed      Code = "method_not_allowed"     // 405
	CodeConflict        Code = "conflict"               // 409: contradicts what is in the books
	CodeKeyReused       Code = "key_reused"             // 409: the Idempotency-Key came with another body
	CodeDeclined        Code = "declined"               // 402: the payment's provider said no
	CodeWrongState      Code = "wrong_state"            // 409: the payment's state does not allow it
	CodeWrongAmount     Code = "wrong_amount"           // 409: the amount is not the payment's
	CodeOverRefund      Code = "over_refund"            // 409: more would be refunded than was posted
	CodeSumMismatch     Code = "sum_mismatch"           // 422: the parts do not add up to the total
	CodeTooLarge        Code = "body_too_large"         // 413
	CodeMediaType       Code = "unsupported_media_type" // 415
	CodeRateLimited     Code = "rate_limited"           // 429, with Retry-After
	CodeInternal        Code = "internal"               // 500: our bug
	CodeUnavailable     Code = "unavailable"            // 503, with Retry-After: a server that we need is away
	CodeNotYet          Code = "not_yet"                // 503, with Retry-After: the books are not past ?after= yet
)

// Problem is the body of every answer that is not 2xx or 3xx: RFC 9457 problem+json.
type Problem struct {
	Type   string       `json:"type" format:"uri-reference" example:"/docs/errors#bad_amount" doc:"Where the code is explained."`
	Title  string       `json:"title" example:"Unprocessable Entity" doc:"The status in words."`
	Status int          `json:"status" example:"422"`
	Code   string       `json:"code" example:"bad_amount" doc:"What is wrong, for programs."`
	Detail string       `json:"detail" example:"amount.value is \"1.5\": want an integer" doc:"What is wrong, for people, and what would mend it."`
	Path   string       `json:"path,omitempty" example:"body.amount.value" doc:"The field at fault, where it is one."`
	Errors []FieldError `json:"errors,omitempty" doc:"Each field at fault, where there are several."`

	headers http.Header
	cause   error
}

// FieldError is one field at fault.
type FieldError struct {
	Code   string `json:"code" example:"missing_field"`
	Path   string `json:"path" example:"body.transactions[3].value"`
	Detail string `json:"detail"`
}

// Error is the problem in a line.
func (p *Problem) Error() string {
	if p.Path == "" {
		return p.Code + ": " + p.Detail
	}
	return p.Code + " at " + p.Path + ": " + p.Detail
}

// Unwrap is what is behind the problem, where that is for the log and not for whoever asked.
func (p *Problem) Unwrap() error { return p.cause }

func (p *Problem) because(err error) *Problem {
	p.cause = err
	return p
}

// GetStatus is the HTTP status, for huma.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are sent with the problem, for huma.
func (p *Problem) GetHeaders() http.Header { return p.headers }

// ContentType is problem+json, for huma.
func (*Problem) ContentType(string) string { return "application/problem+json" }

// At is the same problem with the field at fault.
func (p *Problem) At(path string) *Problem {
	p.Path = path
	return p
}

// After is the same problem with a Retry-After of so long, rounded up to seconds.
func (p *Problem) After(wait time.Duration) *Problem {
	if p.headers == nil {
		p.headers = http.Header{}
	}
	p.headers.Set("Retry-After", strconv.Itoa(int((max(wait, 0)+time.Second-1)/time.Second)))
	return p
}

// NewProblem says what is wrong, and what would mend it.
func NewProblem(status int, code Code, detail string) *Problem {
	return &Problem{Type: "/docs/errors#" + string(code), Title: http.StatusText(status), Status: status, Code: string(code), Detail: detail}
}

// InvalidEvent is the problem of an event that breaks a rule; prefix is where the event is in the request, such as "body[3].".
func InvalidEvent(invalid *ledger.Invalid, prefix string) *Problem {
	p := NewProblem(http.StatusUnprocessableEntity, Code(invalid.Code), invalid.Message)
	return p.At(prefix + invalid.Path)
}

// newError is how huma makes its own errors into problems: of validation, of negotiation, of handlers that returned any error.
func newError(status int, message string, errs ...error) huma.StatusError {
	for _, err := range errs {
		if problem, ok := errors.AsType[*Problem](err); ok {
			return problem
		}
	}
	p := NewProblem(status, codeOf(status), message)
	for _, err := range errs {
		field := FieldError{Code: p.Code}
		var detailer huma.ErrorDetailer
		switch {
		case err == nil:
			continue
		case errors.As(err, &detailer):
			field.Path, field.Detail = detailer.ErrorDetail().Location, detailer.ErrorDetail().Message
		default:
			field.Detail = err.Error()
		}
		if status >= http.StatusInternalServerError {
			field.Detail = "" // what broke inside is for the log, not for whoever asked
			continue
		}
		p.Errors = append(p.Errors, field)
	}
	if len(p.Errors) > 0 {
		p.Path = p.Errors[0].Path
	}
	return p
}

func codeOf(status int) Code {
	switch status {
	case http.StatusUnauthorized:
		return CodeUnauthenticated
	case http.StatusForbidden:
		return CodeForbidden
	case http.StatusNotFound:
		return CodeNotFound
	case http.StatusMethodNotAllowed:
		return CodeNotAllowed
	case http.StatusConflict:
		return CodeConflict
	case http.StatusRequestEntityTooLarge:
		return CodeTooLarge
	case http.StatusUnsupportedMediaType:
		return CodeMediaType
	case http.StatusUnprocessableEntity:
		return CodeInvalid
	case http.StatusTooManyRequests:
		return CodeRateLimited
	case http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return CodeUnavailable
	}
	if status >= http.StatusInternalServerError {
		return CodeInternal
	}
	return CodeBadRequest
}
