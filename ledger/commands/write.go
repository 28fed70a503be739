package commands

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// write is a POST that appends events.
func write(path, id, summary, description string, scope web.Scope) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Description: description, Security: web.Needs(scope),
		DefaultStatus: http.StatusCreated, MaxBodyBytes: maxBodyBytes,
		Errors: []int{
			http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		},
	}
}

const maxBodyBytes = 256 << 10

// owned refuses to write for a merchant or site that is not the caller's.
func owned(caller *web.Principal, owner, path string) error {
	if caller.Owns(owner) {
		return nil
	}
	return web.NewProblem(http.StatusForbidden, web.CodeForbidden, "this key is not for that merchant or site").At(path)
}

// event forms one of the caller's events.
func event(caller *web.Principal, id uuid.UUID, at time.Time, data ledger.Data) *ledger.Event {
	e := ledger.NewEvent(id, at, source(caller), data)
	e.Ledger = caller.Ledger
	return e
}

// append1 checks one event and appends it.
func (c *Commands) append1(ctx context.Context, e *ledger.Event) (Accepted, error) {
	if err := check(e); err != nil {
		return Accepted{}, err
	}
	positions, err := c.publish(ctx, e)
	return accepted(positions), err
}
