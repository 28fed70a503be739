package sandbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tributary-ledger/tributary/ledger/providers"
)

// Client is the sandbox as a provider.
type Client struct {
	url    string
	secret string
	http   *http.Client
}

// NewClient is a client of the server at an address; secret is that of its webhooks. Deadlines are the context's: see
// providers.Guarded. Close it when done.
func NewClient(address, secret string) *Client {
	return &Client{strings.TrimRight(address, "/"), secret, &http.Client{Transport: &http.Transport{}}}
}

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Create opens a payment.
func (c *Client) Create(ctx context.Context, intent providers.Intent) (providers.Prepared, error) {
	var made providers.Prepared
	err := c.post(ctx, "/payments", intent.Operation(), request{Payment: intent.Payment, Amount: intent.Amount}, &made)
	return made, err
}

// Confirm takes the money.
func (c *Client) Confirm(ctx context.Context, charge providers.Charge) (providers.Outcome, error) {
	var outcome providers.Outcome
	body := request{Payment: charge.Payment, Amount: charge.Amount, TransactionID: charge.TransactionID}
	err := c.post(ctx, "/payments/"+url.PathEscape(charge.Token)+"/confirm", charge.Operation(), body, &outcome)
	return outcome, err
}

// Refund gives it back.
func (c *Client) Refund(ctx context.Context, refund providers.Refund) (providers.Outcome, error) {
	var outcome providers.Outcome
	body := request{Payment: refund.Payment, Amount: refund.Amount, RefundID: refund.RefundID}
	err := c.post(ctx, "/payments/"+url.PathEscape(refund.Token)+"/refunds", refund.Operation(), body, &outcome)
	return outcome, err
}

// Lookup tells what the book has.
func (c *Client) Lookup(ctx context.Context, operation providers.Operation) (providers.Outcome, error) {
	var outcome providers.Outcome
	err := c.do(ctx, http.MethodGet, "/operations/"+url.PathEscape(operation.Key()), "", nil, &outcome)
	return outcome, err
}

// Book is the server's.
func (c *Client) Book(ctx context.Context) (Book, error) {
	var book Book
	err := c.do(ctx, http.MethodGet, "/book", "", nil, &book)
	return book, err
}

// ParseWebhook reads what the server sent.
func (c *Client) ParseWebhook(header http.Header, body []byte) ([]providers.Notice, error) {
	if c.secret == "" || !hmac.Equal([]byte(header.Get(SignatureHeader)), []byte(sign(c.secret, body))) {
		return nil, fmt.Errorf("%s: %w", SignatureHeader, providers.ErrSignature)
	}
	var notice providers.Notice
	if err := json.Unmarshal(body, &notice); err != nil {
		return nil, fmt.Errorf("a webhook of the sandbox: %w", err)
	}
	return []providers.Notice{notice}, nil
}

func (c *Client) post(ctx context.Context, path string, operation providers.Operation, body request, into any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode a request to the sandbox: %w", err)
	}
	return c.do(ctx, http.MethodPost, path, operation.Key(), encoded, into)
}

func (c *Client) do(ctx context.Context, method, path, key string, body []byte, into any) (err error) {
	r, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the sandbox's address: %w", err)
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
		r.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("call the sandbox: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		const most = 4 << 10
		text, _ := io.ReadAll(io.LimitReader(response.Body, most)) // of an answer that is only shown
		return fmt.Errorf("the sandbox answers %s: %s", response.Status, bytes.TrimSpace(text))
	}
	if err := json.NewDecoder(response.Body).Decode(into); err != nil {
		return fmt.Errorf("read the sandbox's answer: %w", err)
	}
	return nil
}
