package batcher

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	firstPause    = 200 * time.Millisecond
	longestPause  = time.Minute
	maxAnswer     = 64 << 10
	complainAfter = 3 // attempts, so that a restart of the gateway is no news
)

// sender sends what a spool has, the oldest first, one at a time.
type sender struct {
	config Config
	spool  *spool
	sent   []time.Time // when the latest MaxBatches were sent
}

func newSender(config Config, spool *spool) *sender { return &sender{config: config, spool: spool} }

// run sends until the context ends.
func (s *sender) run(ctx context.Context) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, longestPause
	for failed := 0; ; {
		name, wait, err := s.next(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failed = 0
			pauses.Reset()
			continue
		}
		failed++
		if failed == complainAfter {
			s.config.Logger.Warn("the gateway does not take a batch, which is tried again", "batch", name, "error", err)
		}
		pause(ctx, max(wait, pauses.NextBackOff()))
	}
}

// next sends the oldest batch. After an error it is to be sent again, not before wait is over.
func (s *sender) next(ctx context.Context) (name string, wait time.Duration, err error) {
	name, body, err := s.spool.first(ctx)
	if err != nil {
		return name, 0, err
	}
	s.keepWindow(ctx)
	refusal, wait, err := s.send(ctx, name, body)
	if err != nil {
		return name, wait, err
	}
	if refusal != nil {
		s.config.Logger.Error("the gateway refuses a batch, which is kept beside", "batch", name, "dir", s.config.Dir+"/"+refusedFolder,
			"problem", string(refusal))
	}
	return name, 0, s.spool.done(name, len(body), refusal)
}

// keepWindow waits until another batch fits into the window.
func (s *sender) keepWindow(ctx context.Context) {
	if s.config.MaxBatches <= 0 {
		return
	}
	if len(s.sent) == s.config.MaxBatches {
		pause(ctx, time.Until(s.sent[0].Add(s.config.Window)))
		s.sent = s.sent[1:]
	}
	s.sent = append(s.sent, time.Now())
}

// send says whether the gateway took it (nil), or refused it for good, and why.
func (s *sender) send(ctx context.Context, name string, body []byte) (refusal []byte, wait time.Duration, err error) {
	url := strings.TrimSuffix(s.config.URL, "/") + "/v1/monetization/batches"
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("send a batch: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+s.config.Key)
	request.Header.Set("Idempotency-Key", name)
	response, err := s.config.Client.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("send a batch: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it is only read
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, 0, fmt.Errorf("read the answer to a batch: %w", err)
	}
	switch status := response.StatusCode; {
	case status >= http.StatusOK && status < http.StatusMultipleChoices:
		return nil, 0, nil
	case final(status):
		return answer, 0, nil
	default:
		seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return nil, time.Duration(seconds) * time.Second, fmt.Errorf("the gateway answers with status %d: %s", status, answer)
	}
}

// final tells whether the same batch would be refused for ever. A key that is wrong, or lacks a right, can be mended.
func final(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

func pause(ctx context.Context, length time.Duration) {
	if length <= 0 {
		return
	}
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
