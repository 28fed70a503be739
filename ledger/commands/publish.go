package commands

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
)

const (
	// publishPatience is Commands.Patience where that says nothing.
	publishPatience = 5 * time.Second
	// publishBacklog is how many events may wait for the log before requests are turned away at the door: beyond it the answer would
	// come too late anyway.
	publishBacklog = 20_000
	// comeBack is when to try again, where the log is slow or away.
	comeBack = 2 * time.Second
)

// publish appends valid events and returns when the log has all of them. Its errors are problems: 503 where it is not known, or not
// true, that the log has them. Publishing the same events again is always safe, so that a caller who repeats the request loses nothing.
func (c *Commands) publish(ctx context.Context, events ...*ledger.Event) ([]eventlog.Position, error) {
	if c.Log.Buffered() > publishBacklog {
		return nil, unavailable("the log is behind with what it was given; nothing of this request was published")
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Patience, publishPatience))
	defer cancel()
	positions, err := c.Log.PublishAll(ctx, events)
	return positions, explainPublish(err)
}

// publishAtomic is publish for events of which all count or none.
func (c *Commands) publishAtomic(ctx context.Context, events ...*ledger.Event) ([]eventlog.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Patience, publishPatience))
	defer cancel()
	positions, err := c.Atomic.PublishAtomic(ctx, events)
	return positions, explainPublish(err)
}

func explainPublish(err error) error {
	var invalid *ledger.Invalid
	switch {
	case err == nil:
		return nil
	case errors.As(err, &invalid):
		return web.InvalidEvent(invalid, "")
	case errors.Is(err, eventlog.ErrAborted):
		return unavailable("nothing of this request was published")
	case errors.Is(err, eventlog.ErrUncertain), errors.Is(err, context.DeadlineExceeded):
		return unavailable("the log did not answer in time: the events may be in it or not. The same request again counts once")
	default:
		return unavailable("the log cannot be written to. The same request again counts once")
	}
}

func unavailable(detail string) *web.Problem {
	return web.NewProblem(http.StatusServiceUnavailable, web.CodeUnavailable, detail).After(comeBack)
}

// check refuses an event that is invalid, with the field's path in the request's body, whose fields are those of the event's data.
func check(event *ledger.Event) error {
	if invalid := ledger.Validate(event); invalid != nil {
		return web.InvalidEvent(inBody(invalid), "body.")
	}
	return nil
}

// inBody is why an event is invalid, with the path below its data.
func inBody(invalid *ledger.Invalid) *ledger.Invalid {
	changed := *invalid
	if rest, found := strings.CutPrefix(changed.Path, "data."); found {
		changed.Path = rest
	}
	return &changed
}
