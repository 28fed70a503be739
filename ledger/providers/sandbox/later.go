package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tributary-ledger/tributary/ledger/providers"
)

// SignatureHeader carries the HMAC-SHA256 of a webhook's body under the secret, in hex.
const SignatureHeader = "Sandbox-Signature"

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// nudge makes Run look for something to do.
func (s *Server) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it is going to
	}
}

// Run does what is late, and sends webhooks until they are accepted, until the context ends.
func (s *Server) Run(ctx context.Context) error {
	const again = 500 * time.Millisecond
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}} //nolint:mnd // seconds
	defer client.CloseIdleConnections()
	for {
		next, err := s.settleDue()
		if err != nil {
			return err
		}
		if failed := s.tell(ctx, client); failed != nil {
			s.config.Logger.Warn("a webhook was not accepted; it is sent again", "err", failed)
			next = min(next, again)
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-s.wake:
			timer.Stop()
		}
	}
}

// settleDue settles what is late and due, and returns in how long the next is.
func (s *Server) settleDue() (time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := time.Hour
	for _, key := range s.journal.keys {
		one := s.journal.acts[key]
		if one.Outcome.State != providers.StatePending {
			continue
		}
		due, known := s.due[key]
		if !known {
			due = time.Now().Add(s.config.Late)
			s.due[key] = due
		}
		if wait := time.Until(due); wait > 0 {
			next = min(next, wait)
			continue
		}
		settled := *one
		settled.settle(one.Settles)
		if err := s.journal.write(&settled); err != nil {
			return 0, err
		}
		delete(s.due, key)
	}
	return next, nil
}

// tell sends the webhooks that are to be sent. One that was sent and not noted, because of a crash, is sent again.
func (s *Server) tell(ctx context.Context, client *http.Client) error {
	s.mu.Lock()
	url := s.webhook
	s.mu.Unlock()
	if url == "" {
		return nil
	}
	var failed error
	for _, one := range s.untold() {
		failed = errors.Join(failed, s.tellOf(ctx, client, url, one))
	}
	return failed
}

func (s *Server) tellOf(ctx context.Context, client *http.Client, url string, one act) error {
	for ; one.Tells > 0; one.Tells-- {
		if err := send(ctx, client, url, s.config.Secret, providers.Notice{Operation: one.Operation, Outcome: one.Outcome}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.journal.write(&one)
}

// untold are copies of the acts whose webhooks are still to be sent. They are final, so nothing else changes them.
func (s *Server) untold() []act {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []act
	for _, key := range s.journal.keys {
		if one := s.journal.acts[key]; one.Tells > 0 {
			all = append(all, *one)
		}
	}
	return all
}

func send(ctx context.Context, client *http.Client, url, secret string, notice providers.Notice) error {
	body, err := json.Marshal(notice)
	if err != nil {
		return fmt.Errorf("encode a webhook: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the sandbox's webhook URL: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(SignatureHeader, sign(secret, body))
	response, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("send a webhook: %w", err)
	}
	defer response.Body.Close() //nolint:errcheck // it is read
	const most = 4 << 10
	text, _ := io.ReadAll(io.LimitReader(response.Body, most)) // of an answer that is only shown
	if response.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("send a webhook to %s: %s: %s", url, response.Status, text)
	}
	return nil
}
