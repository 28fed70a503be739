package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Config is a sandbox server's.
type Config struct {
	// Journal is the file that holds the book.
	Journal string
	// WebhookURL is told of every outcome; nobody is when it is empty.
	WebhookURL string
	// Secret signs webhooks.
	Secret string
	// Late is how long what is late takes; 0 means 2 s.
	Late time.Duration
	// Hang is how long a call gets no answer at most; 0 means 30 s. It ends when the caller goes.
	Hang time.Duration
	// Logger is told of webhooks that nobody took; nil means nobody is.
	Logger *slog.Logger
}

// Server is the sandbox. It is an http.Handler; Run makes what is late happen, and sends the webhooks.
type Server struct {
	config Config
	mux    *http.ServeMux
	wake   chan struct{} // there is something to do

	mu      sync.Mutex
	webhook string // config.WebhookURL, or another since
	journal *journal
	due     map[string]time.Time // of what is late, since this server knows of it
}

// request is what is asked for, as it is sent.
type request struct {
	providers.Payment

	Amount        *eventsv1.Money `json:"amount"`
	TransactionID string          `json:"transaction_id,omitempty"`
	RefundID      string          `json:"refund_id,omitempty"`
}

// Open opens the book, or begins one. Close it when done.
func Open(config Config) (*Server, error) {
	const late, hang = 2 * time.Second, 30 * time.Second
	config.Late, config.Hang = cmp.Or(config.Late, late), cmp.Or(config.Hang, hang)
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	book, err := openJournal(config.Journal)
	if err != nil {
		return nil, err
	}
	s := &Server{
		config: config, webhook: config.WebhookURL, journal: book, mux: http.NewServeMux(),
		wake: make(chan struct{}, 1), due: map[string]time.Time{},
	}
	s.mux.HandleFunc("POST /payments", s.operate(providers.KindCreate))
	s.mux.HandleFunc("POST /payments/{token}/confirm", s.operate(providers.KindCharge))
	s.mux.HandleFunc("POST /payments/{token}/refunds", s.operate(providers.KindRefund))
	s.mux.HandleFunc("GET /operations/{key}", s.lookup)
	s.mux.HandleFunc("GET /book", s.showBook)
	return s, nil
}

// WebhookTo names another URL to be told of every outcome, those that nobody was told of yet among them.
func (s *Server) WebhookTo(url string) {
	s.mu.Lock()
	s.webhook = url
	s.mu.Unlock()
	s.nudge()
}

// Close closes the book.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.journal.close(); err != nil {
		return fmt.Errorf("close the sandbox's journal: %w", err)
	}
	return nil
}

// ServeHTTP answers as a provider does.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// errBroken is a status of 500 that was asked for.
var errBroken = errors.New("the sandbox breaks here, as this amount asks for; call again")

func (s *Server) operate(kind providers.Kind) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		const most = 64 << 10
		var asked request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(&asked); err != nil || asked.Amount == nil {
			refuse(w, http.StatusBadRequest, fmt.Errorf("the body is no operation: %w", err))
			return
		}
		operation := providers.Operation{Payment: asked.Payment, Kind: kind, RefundID: asked.RefundID, Token: r.PathValue("token")}
		if key := r.Header.Get("Idempotency-Key"); key != operation.Key() {
			refuse(w, http.StatusBadRequest, fmt.Errorf("the Idempotency-Key is %q: want %q", key, operation.Key()))
			return
		}
		done, hang, err := s.call(operation, asked)
		switch {
		case errors.Is(err, errBroken):
			refuse(w, http.StatusInternalServerError, err)
		case err != nil:
			refuse(w, http.StatusConflict, err)
		case hang:
			s.hang(r.Context())
		case kind == providers.KindCreate:
			answer(w, done.Prepared)
		default:
			answer(w, done.Outcome)
		}
	}
}

// call does an operation, or what is wrong with it, and returns what the book has then. With hang the caller must not hear of it.
func (s *Server) call(operation providers.Operation, asked request) (done *act, hang bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.journal.acts[operation.Key()]
	if before == nil {
		before = &act{Operation: operation, Request: asked, Outcome: providers.Outcome{State: providers.StateAbsent}}
	}
	if err := s.check(before, asked); err != nil {
		return nil, false, err
	}
	if before.Outcome.State != providers.StateAbsent {
		return before, false, nil
	}
	next := *before
	next.Calls++
	switch b := behaviour(operation.Kind, asked.Amount.GetValue(), asked.TransactionID); {
	case operation.Kind == providers.KindRefund && s.exceeds(&next):
		next.settle(providers.StateDeclined)
		next.Outcome.Declined = &providers.Declined{Reason: "sandbox_exceeds_charge", Message: "The sandbox took less than that."}
	case b == Breaks && next.Calls <= 2:
		err = errBroken
	case b == HangsBefore && next.Calls == 1:
		hang = true
	default:
		hang = b == HangsAfter
		next.become(b)
	}
	if failed := s.journal.write(&next); failed != nil {
		return nil, false, failed
	}
	s.nudge()
	return &next, hang, err
}

// check refuses what contradicts the book.
func (s *Server) check(before *act, asked request) error {
	if before.Request.Amount.GetValue() != asked.Amount.GetValue() || before.Request.TransactionID != asked.TransactionID {
		return fmt.Errorf("%s was called with another amount or transaction before", before.Key())
	}
	if before.Kind != providers.KindCharge {
		return nil // a refund of what was not charged is declined
	}
	opened := providers.Operation{Payment: before.Payment, Kind: providers.KindCreate}
	if made := s.journal.acts[opened.Key()]; made == nil || made.Prepared == nil || made.Prepared.Token != before.Token {
		return fmt.Errorf("there is no payment %q", before.Token)
	}
	return nil
}

// exceeds tells whether a refund is of more than what was charged and is not refunded yet.
func (s *Server) exceeds(refund *act) bool {
	left := ledger.Amount{}
	if charge := s.journal.acts[providers.Operation{Payment: refund.Payment, Kind: providers.KindCharge}.Key()]; charge != nil {
		left = ledger.MoneyAmount(charge.Outcome.Amount)
	}
	for _, one := range s.journal.acts {
		if one.Kind == providers.KindRefund && one.Payment == refund.Payment && one.Calls > 0 && one.Outcome.State != providers.StateDeclined &&
			one.Key() != refund.Key() && one.Outcome.State != providers.StateAbsent {
			left = left.Sub(ledger.MoneyAmount(one.Request.Amount))
		}
	}
	return ledger.MoneyAmount(refund.Request.Amount).Cmp(left) > 0
}

// become is the state that a behaviour leads to.
func (a *act) become(b Behaviour) {
	state := providers.StateDone
	switch b {
	case Late:
		state, a.Settles = providers.StatePending, providers.StateDone
	case DeclinesLate:
		state, a.Settles = providers.StatePending, providers.StateDeclined
	case Declines:
		state = providers.StateDeclined
	default:
	}
	a.settle(state)
	if b == TellsTwice {
		a.Tells++
	}
}

// settle sets an outcome. It follows from the request alone.
func (a *act) settle(state providers.State) {
	a.Outcome = providers.Outcome{State: state}
	switch state {
	case providers.StateDeclined:
		a.Outcome.Declined = &providers.Declined{
			Reason: "sandbox_declined", Message: "The sandbox declines this " + string(a.Kind) + ", as it was asked to.",
		}
	case providers.StateDone:
		a.Outcome.Amount, a.Outcome.TransactionID = a.Request.Amount, cmp.Or(a.Request.TransactionID, name("sbx_tx_", a.Key()))
	default:
	}
	if a.Kind == providers.KindCreate {
		a.prepare()
		return
	}
	if state.Final() {
		a.Tells = 1
	}
}

func (a *act) prepare() {
	const lasts = 24 * time.Hour
	if a.Outcome.State == providers.StateDeclined {
		a.Prepared = &providers.Prepared{Declined: a.Outcome.Declined}
		return
	}
	token := name("sbx_pay_", a.Key())
	a.Prepared = &providers.Prepared{
		Token: token, ClientSecret: name("sbx_secret_", token), ExpiresAt: time.Now().UTC().Truncate(time.Second).Add(lasts),
	}
}

// name derives an id, so that it is the same however often it is made.
func name(prefix, from string) string {
	return prefix + uuid.NewSHA1(uuid.NameSpaceURL, []byte(prefix+from)).String()
}

// hang keeps the caller waiting, as long as it does.
func (s *Server) hang(ctx context.Context) {
	timer := time.NewTimer(s.config.Hang)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	panic(http.ErrAbortHandler) // the connection ends without an answer
}

func (s *Server) lookup(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	found := s.journal.acts[r.PathValue("key")]
	s.mu.Unlock()
	if found == nil {
		answer(w, providers.Outcome{State: providers.StateAbsent})
		return
	}
	answer(w, found.Outcome)
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) //nolint:errchkjson // whoever asked is gone
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) //nolint:errchkjson // whoever asked is gone
}
