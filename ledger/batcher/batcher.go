package batcher

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
)

// Config says for which site, to where, and how much at a time. Zero values of limits mean the defaults.
type Config struct {
	// URL is the gateway, such as https://pay.example.
	URL string
	// Key is an API key with the scope monetization:write.
	Key string
	// Dir is a folder of this batcher alone, for batches that are not acknowledged yet.
	Dir string

	// PluginID is the site, PaymentPointer where it is paid.
	PluginID, PaymentPointer string
	// AssetCode and AssetScale are what values are counted in.
	AssetCode  string
	AssetScale uint32

	// MaxTransactions is how many a batch has at most; 1,000 when 0.
	MaxTransactions int
	// MaxAge is how old a batch's first transaction gets before it is sent; 10 s when 0.
	MaxAge time.Duration
	// MaxBatches and Window: so many batches are sent within any such stretch of time; no limit when 0.
	MaxBatches int
	Window     time.Duration
	// MaxBytes is how much may wait in Dir; 256 MiB when 0. Beyond it Add refuses.
	MaxBytes int64

	// Client sends; one with a timeout of 30 s when nil.
	Client *http.Client
	// Logger is told of what is late or refused; nil means nobody is.
	Logger *slog.Logger
}

const (
	defaultTransactions = 1_000
	defaultAge          = 10 * time.Second
	defaultBytes        = 256 << 20
	defaultTimeout      = 30 * time.Second
)

func (c Config) withDefaults() Config {
	c.MaxTransactions = cmp.Or(c.MaxTransactions, defaultTransactions)
	c.MaxAge = cmp.Or(c.MaxAge, defaultAge)
	c.MaxBytes = cmp.Or(c.MaxBytes, defaultBytes)
	if c.Client == nil {
		c.Client = &http.Client{Timeout: defaultTimeout}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) check() error {
	for name, value := range map[string]string{
		"URL": c.URL, "Dir": c.Dir, "PluginID": c.PluginID, "PaymentPointer": c.PaymentPointer, "AssetCode": c.AssetCode,
	} {
		if value == "" {
			return fmt.Errorf("a batcher needs a %s", name)
		}
	}
	if c.AssetScale > ledger.AmountScale {
		return fmt.Errorf("AssetScale is %d: want 0 to %d", c.AssetScale, ledger.AmountScale)
	}
	if c.MaxBatches > 0 && c.Window <= 0 {
		return errors.New("MaxBatches needs a Window")
	}
	return nil
}

// Transaction is one payment that a visitor's wallet streamed.
type Transaction struct {
	// Time is when it came, to the microsecond; now, when zero.
	Time time.Time
	// Value is in units of 10^-AssetScale; not negative.
	Value *big.Int
	// PostID, PostTitle and SessionID may be empty.
	PostID, PostTitle, SessionID string
}

// ErrFull means that MaxBytes wait in the folder: the gateway has been away for long. The transaction was not taken.
var ErrFull = errors.New("the batcher's folder is full; the gateway is away, or refuses to answer")

// ErrClosed means that the batcher takes nothing any more.
var ErrClosed = errors.New("the batcher is closed")

// Batcher gathers and sends. Its methods may be called at once from many goroutines. Close it when done.
type Batcher struct {
	config Config
	spool  *spool
	stop   context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	closed bool
	open   []entry
	total  *big.Int
	began  time.Time
	age    *time.Timer
}

// entry is a transaction as the gateway reads it.
type entry struct {
	Date      string `json:"date"`
	Value     string `json:"value"`
	PostID    string `json:"post_id,omitempty"`
	PostTitle string `json:"post_title,omitempty"`
	SessionID string `json:"session_id,omitempty"`
}

// Open begins, with what waits in the folder from before.
func Open(config Config) (*Batcher, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	spool, err := openSpool(config.Dir, config.MaxBytes)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Batcher{config: config, spool: spool, stop: stop, ended: make(chan struct{}), total: new(big.Int)}
	b.age = time.AfterFunc(config.MaxAge, b.old)
	b.age.Stop()
	go func() {
		defer close(b.ended)
		newSender(config, spool).run(ctx)
	}()
	return b, nil
}

// Add takes a transaction. It does no more than write a file when a batch is full: it never waits for the gateway.
// Errors: ErrFull and ErrClosed, when it was not taken; that of a file, when it was taken and is not on disk yet.
func (b *Batcher) Add(t Transaction) error {
	if t.Value == nil || t.Value.Sign() < 0 {
		return errors.New("a transaction needs a value that is not negative")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	if len(b.open) >= b.config.MaxTransactions { // writing it failed before
		if err := b.seal(); err != nil {
			return err
		}
	}
	if b.spool.full() {
		return ErrFull
	}
	if t.Time.IsZero() {
		t.Time = time.Now()
	}
	if len(b.open) == 0 {
		b.began = time.Now()
		b.age.Reset(b.config.MaxAge)
	}
	b.open = append(b.open, entry{
		Date: t.Time.UTC().Format(time.RFC3339Nano), Value: b.decimal(t.Value), PostID: t.PostID, PostTitle: t.PostTitle, SessionID: t.SessionID,
	})
	b.total.Add(b.total, t.Value)
	if len(b.open) < b.config.MaxTransactions {
		return nil
	}
	return b.seal()
}

// decimal is a value in whole units.
func (b *Batcher) decimal(value *big.Int) string {
	step := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(ledger.AmountScale-b.config.AssetScale)), nil)
	return ledger.FormatUnits(step.Mul(step, value))
}

// old makes a file of a batch that has waited long enough.
func (b *Batcher) old() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.seal(); err != nil {
		b.config.Logger.Error("a batch could not be written and waits in memory", "error", err)
		b.age.Reset(b.config.MaxAge)
	}
}

// seal makes a file of the open batch; it stays open where that fails.
func (b *Batcher) seal() error {
	if len(b.open) == 0 {
		return nil
	}
	body, err := json.Marshal(struct {
		PluginID       string  `json:"plugin_id"`
		PaymentPointer string  `json:"payment_pointer"`
		Date           string  `json:"date"`
		TotalValue     string  `json:"total_value"`
		AssetCode      string  `json:"asset_code"`
		AssetScale     uint32  `json:"asset_scale"`
		Transactions   []entry `json:"transactions"`
	}{
		b.config.PluginID, b.config.PaymentPointer, b.began.UTC().Format(time.RFC3339Nano), b.decimal(b.total),
		b.config.AssetCode, b.config.AssetScale, b.open,
	})
	if err != nil {
		return fmt.Errorf("write a batch as JSON: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name a batch: %w", err)
	}
	if err := b.spool.put(id.String(), body); err != nil {
		return err
	}
	b.open, b.total = b.open[:0], new(big.Int)
	b.age.Stop()
	return nil
}

// Flush puts the open batch on disk and waits until the gateway has acknowledged, or refused for good, all that waits.
func (b *Batcher) Flush(ctx context.Context) error {
	b.mu.Lock()
	err := b.seal()
	b.mu.Unlock()
	if err != nil {
		return err
	}
	return b.spool.empty(ctx)
}

// Close puts the open batch on disk and stops. What is not acknowledged is sent by the next batcher on the folder.
func (b *Batcher) Close() error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	err := b.seal()
	b.age.Stop()
	b.mu.Unlock()
	b.stop()
	<-b.ended
	return errors.Join(err, b.spool.close())
}
