package main

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// dialComplaint is how the Kafka client's log says that a broker takes no connections. Every client of a process says so anew with
// each try, several times a second, which would hide all else.
const dialComplaint = "unable to open connection to broker"

// quietly passes a broker's dial complaints on once in a while, whichever client of this process has them, and all else always.
func quietly(logger *slog.Logger, every time.Duration) *slog.Logger {
	return slog.New(quietHandler{Handler: logger.Handler(), said: &saidAt{every: every, last: map[string]time.Time{}}})
}

type quietHandler struct {
	slog.Handler

	said *saidAt
}

// Handle drops a complaint that was passed on a moment ago.
func (h quietHandler) Handle(ctx context.Context, record slog.Record) error {
	if strings.HasPrefix(record.Message, dialComplaint) && h.said.lately(addressOf(record), record.Time) {
		return nil
	}
	return h.Handler.Handle(ctx, record) //nolint:wrapcheck // it stands in for that handler
}

// WithAttrs keeps what was said in common with the handler it is made from, as WithGroup does.
func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs), h.said}
}

// WithGroup see WithAttrs.
func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name), h.said}
}

// addressOf is the broker that a record is about.
func addressOf(record slog.Record) string {
	address := ""
	record.Attrs(func(attr slog.Attr) bool {
		if attr.Key == "addr" {
			address = attr.Value.String()
		}
		return address == ""
	})
	return address
}

// saidAt remembers when something was last said of an address.
type saidAt struct {
	every time.Duration
	mu    sync.Mutex
	last  map[string]time.Time
}

// lately tells whether it was said within the interval, and notes that it is said now if not.
func (s *saidAt) lately(address string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[address]; ok && now.Sub(last) < s.every {
		return true
	}
	s.last[address] = now
	return false
}
