package commands

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// Log is where events go: eventlog's writers.
type Log interface {
	// PublishAll returns when every event is acknowledged; see eventlog.Writer.
	PublishAll(ctx context.Context, events []*ledger.Event) ([]eventlog.Position, error)
	// Buffered is how many events are not acknowledged yet.
	Buffered() int64
}

// AtomicLog is where events go of which all count or none.
type AtomicLog interface {
	// PublishAtomic is all or none; see eventlog.AtomicWriter.
	PublishAtomic(ctx context.Context, events []*ledger.Event) ([]eventlog.Position, error)
}

// Commands are the write half's handlers.
type Commands struct {
	Log    Log
	Atomic AtomicLog
	// Payments takes payments through their lives at their providers.
	Payments *payments.Engine
	// Now is the clock, for events whose time the caller left to us.
	Now func() time.Time
	// Patience is how long a request waits for the log to acknowledge its events; 5 s when 0.
	Patience time.Duration
}

// Register adds the operations to an API.
func (c *Commands) Register(api huma.API) {
	c.registerEvents(api)
	c.registerSites(api)
	c.registerBatches(api)
	c.registerReceivers(api)
	c.registerPayments(api)
}

// Key is the input of every POST: what makes it safe to repeat.
type Key struct {
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"255" example:"order-1042" doc:"Any text of yours: the same request with the same key counts once, however often it is sent. Without one each request is new."`
}

// Accepted is the output of every write.
type Accepted struct {
	Position string `header:"Tributary-Position" example:"payments/3@1042" doc:"Where the log has it. A read with ?after= this waits until the books are past it."`
}

// accepted names each position once, in the events' order.
func accepted(positions []eventlog.Position) Accepted {
	texts := make([]string, len(positions))
	for i, p := range positions {
		texts[i] = p.String()
	}
	return Accepted{Position: strings.Join(texts, ",")}
}

// namespace is of the ids that the gateway derives. It must never change: a repeat would be a new event.
//
//nolint:gochecknoglobals // a constant that the language has no constants for
var namespace = uuid.MustParse("6ba3c1f2-5d0e-5b6c-9c53-0f6a3f1f6f7d")

// source is what events of a caller name as their producer.
func source(caller *web.Principal) string { return "/keys/" + url.PathEscape(caller.ID) }

// identity derives the ids of one POST: the same caller, path and key give the same ids.
type identity struct{ base string }

func newIdentity(caller *web.Principal, path, key string) identity {
	if key == "" {
		key = uuid.NewString()
	}
	return identity{strings.Join([]string{caller.Ledger, caller.ID, http.MethodPost, path, key}, "\x00")}
}

// id is the event's, or the thing's, that purpose names: "event 0", "payment".
func (i identity) id(purpose string) uuid.UUID {
	return uuid.NewSHA1(namespace, []byte(i.base+"\x00"+purpose))
}
