package payments

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Log is where events go: eventlog.Writer.
type Log interface {
	PublishAll(ctx context.Context, events []*ledger.Event) ([]eventlog.Position, error)
}

// History finds a payment's own events.
type History interface {
	// Payment are all events of a payment in the log's order, at least through a position; a zero position means all that the log has now.
	// An error is of infrastructure: to be tried again.
	Payment(ctx context.Context, books, paymentID string, through eventlog.Position) ([]eventlog.Record, error)
}

// Engine takes payments through their lives. Its methods may be called at once, from many processes.
//
// Errors are a *Refusal where the payment does not allow it, a *ledger.Invalid where the event breaks a rule, and else of
// infrastructure: then the same call again, or the recovery, finishes. A call whose provider does not answer is no error: the
// payment that is returned is still under way.
type Engine struct {
	Log       Log
	History   History
	Providers map[string]providers.Provider
	// Fee is what the platform keeps, in hundredths of a percent of the amount, rounded down. It is fixed when a payment is started.
	Fee int64
	// Patience is how long an append, or a look at the history, may take; 5 s when 0.
	Patience time.Duration
	// Now is the clock of outcomes.
	Now func() time.Time
	// Step is called before each effect, with its name; an error ends the call there, as a kill would. Nil in production.
	Step func(ctx context.Context, next string) error
	// Logger is told of providers that do not answer; nil means nobody is.
	Logger *slog.Logger
}

// Owns tells whether a merchant's payments are the caller's; nil means that all are.
type Owns func(merchant string) bool

// Start opens a payment by an event of type payment.started, and returns what the customer needs to pay it.
func (e *Engine) Start(ctx context.Context, event *ledger.Event) (*Payment, providers.Prepared, error) {
	none := providers.Prepared{}
	data, ok := event.Data.(*eventsv1.PaymentStarted)
	if !ok {
		return nil, none, fmt.Errorf("%s starts no payment", event.Type)
	}
	data.Fee = e.fee(data.GetAmount())
	p, err := e.intend(ctx, event, func(p *Payment) *Refusal {
		if p.known() {
			return refusal(CodeExists, "payment %s was started by another request", p.ID)
		}
		return e.hasProvider(data.GetProvider())
	})
	if err != nil {
		return p, none, err
	}
	made, err := e.prepare(ctx, p)
	if err == nil {
		err = e.step(ctx, "answer")
	}
	return p, made, err
}

// Post charges a payment by an event of type payment.post_requested.
func (e *Engine) Post(ctx context.Context, event *ledger.Event, owns Owns) (*Payment, error) {
	data, ok := event.Data.(*eventsv1.PaymentPostRequested)
	if !ok {
		return nil, fmt.Errorf("%s posts no payment", event.Type)
	}
	done := false
	p, err := e.intend(ctx, event, func(p *Payment) *Refusal {
		if refused := p.owned(owns); refused != nil {
			return refused
		}
		// The provider was first to tell, and tells of the same.
		done = p.Posted != nil && p.Charge == nil && p.Posted.GetTransactionId() == data.GetTransactionId() &&
			sameMoney(p.Posted.GetAmount(), data.GetAmount())
		if done {
			return errDone
		}
		return cmp.Or(p.mayPost(data), e.mayCall(p))
	})
	if done {
		return p, nil
	}
	if err == nil {
		err = e.charge(ctx, p)
	}
	if err == nil {
		err = e.step(ctx, "answer")
	}
	return p, err
}

// Refund gives money back by an event of type payment.refund_requested. Without an amount it is all that is left.
func (e *Engine) Refund(ctx context.Context, event *ledger.Event, owns Owns) (*Payment, *Refund, error) {
	data, ok := event.Data.(*eventsv1.PaymentRefundRequested)
	if !ok {
		return nil, nil, fmt.Errorf("%s refunds no payment", event.Type)
	}
	p, err := e.intend(ctx, event, func(p *Payment) *Refusal {
		if refused := p.owned(owns); refused != nil {
			return refused
		}
		if p.Posted != nil && data.GetAmount() == nil {
			data.Amount = p.Rest()
		}
		if p.find(data.GetRefundId()) != nil {
			return refusal(CodeExists, "refund %s of payment %s was requested before", data.GetRefundId(), p.ID)
		}
		return cmp.Or(p.mayRefund(data.GetAmount()), e.mayCall(p))
	})
	if p == nil {
		return nil, nil, err
	}
	r := p.find(data.GetRefundId())
	if r == nil || r.intent != event.ID {
		return p, nil, err
	}
	if failed := e.refund(ctx, p, r); failed != nil {
		return p, r, failed
	}
	if err == nil {
		err = e.step(ctx, "answer")
	}
	return p, r, err
}

// Fail gives a payment up by an event of type payment.failed. Its provider is the payment's, whatever the event says.
func (e *Engine) Fail(ctx context.Context, event *ledger.Event, owns Owns) (*Payment, error) {
	data, ok := event.Data.(*eventsv1.PaymentFailed)
	if !ok {
		return nil, fmt.Errorf("%s fails no payment", event.Type)
	}
	return e.intend(ctx, event, func(p *Payment) *Refusal {
		if refused := p.owned(owns); refused != nil {
			return refused
		}
		data.Provider, data.MerchantId = p.Provider(), p.Merchant()
		return p.mayFail()
	})
}

// owned refuses a payment that is not there, or not the caller's, in the same words.
func (p *Payment) owned(owns Owns) *Refusal {
	if !p.known() || owns != nil && !owns(p.Merchant()) {
		return refusal(CodeUnknown, "there is no payment %s", p.ID)
	}
	return nil
}

// errDone says that there is nothing to do, and nothing wrong.
var errDone = &Refusal{}

// intend puts an intent into the log and returns the payment as the log then has it. What is refused already leaves nothing in the log;
// what came before it unseen decides by its place there. A repeat of an intent is the intent.
func (e *Engine) intend(ctx context.Context, event *ledger.Event, may func(*Payment) *Refusal) (*Payment, error) {
	asked := proto.Clone(event.Data) // may fills in what was left to it
	p, err := e.load(ctx, event.Ledger, event.Subject, eventlog.Position{})
	if err != nil {
		return nil, err
	}
	if _, p.again = p.seen[event.ID]; !p.again {
		if refused := may(p); refused != nil {
			return p, refused
		}
		at, err := e.append(ctx, event)
		if err != nil {
			return nil, err
		}
		if p, err = e.load(ctx, event.Ledger, event.Subject, at); err != nil {
			return nil, err
		}
	}
	kept, found := p.seen[event.ID]
	if !found {
		return nil, fmt.Errorf("the log does not show event %s of payment %s yet", event.ID, p.ID)
	}
	if refused := sameIntent(asked, kept.Event.Data); refused != nil {
		return nil, refused
	}
	if refused := p.refused[event.ID]; refused != nil {
		return p, refused
	}
	return p, nil
}

// sameIntent refuses a request that came before and said something else. What the gateway fills in may differ.
func sameIntent(asked, kept proto.Message) *Refusal {
	a, b := proto.Clone(asked), proto.Clone(kept)
	for _, data := range []proto.Message{a, b} {
		switch d := data.(type) {
		case *eventsv1.PaymentStarted:
			d.Fee = nil
		case *eventsv1.PaymentFailed:
			d.Provider, d.MerchantId = "", ""
		}
	}
	if asked, ok := a.(*eventsv1.PaymentRefundRequested); ok && asked.GetAmount() == nil {
		if kept, ok := b.(*eventsv1.PaymentRefundRequested); ok {
			kept.Amount = nil
		}
	}
	if !proto.Equal(a, b) {
		return refusal(CodeKeyReused, "the same Idempotency-Key came before with another body; what counts is what came first")
	}
	return nil
}

// Finish does what is open with a payment: after a kill, or when a provider did not answer. It tells whether something still is.
func (e *Engine) Finish(ctx context.Context, books, id string) (open bool, err error) {
	p, err := e.load(ctx, books, id, eventlog.Position{})
	if err != nil {
		return true, err
	}
	p.again = true
	if !p.known() || e.Providers[p.Provider()] == nil {
		return p.Open(), nil
	}
	if p.preparing() && p.startOurs {
		if _, err := e.prepare(ctx, p); err != nil {
			return true, err
		}
	}
	if p.charging() && p.chargeOurs {
		if err := e.charge(ctx, p); err != nil {
			return true, err
		}
	}
	for _, r := range p.Refunds {
		if !r.ours {
			continue
		}
		if err := e.refund(ctx, p, r); err != nil {
			return true, err
		}
	}
	return p.Open(), nil
}

// Open tells whether an intent of the gateway's has no outcome yet.
func (p *Payment) Open() bool {
	if p.preparing() && p.startOurs || p.charging() && p.chargeOurs {
		return true
	}
	for _, r := range p.Refunds {
		if r.ours && (r.Open() || r.Refusal != nil && r.Failed == nil && r.Done == nil) {
			return true
		}
	}
	return false
}

func (p *Payment) ended() bool {
	return p.Posted != nil || p.Failed != nil || p.Cancelled && p.Charge == nil
}

func (p *Payment) preparing() bool { return p.Started != nil && p.Prepared == nil && !p.ended() }

func (p *Payment) charging() bool { return p.Charge != nil && !p.ended() }

// Notice takes in what a provider's webhook tells. A notice of something that is not in the log is a *Refusal.
func (e *Engine) Notice(ctx context.Context, provider string, notice providers.Notice) error {
	books, id := notice.Operation.Ledger, notice.Operation.PaymentID
	if !ledger.IsLedger(books) || id == "" || !notice.Outcome.State.Final() || notice.Operation.Kind == providers.KindCreate {
		return nil
	}
	p, err := e.load(ctx, books, id, eventlog.Position{})
	if err != nil {
		return err
	}
	if p.Started == nil || p.Provider() != provider {
		return refusal(CodeUnknown, "there is no payment %s at %s", id, provider)
	}
	if notice.Operation.Kind == providers.KindCharge {
		return e.settle(ctx, p, notice.Outcome)
	}
	r := p.find(notice.Operation.RefundID)
	if r == nil || r.Requested == nil {
		return refusal(CodeUnknown, "there is no refund %s of payment %s", notice.Operation.RefundID, id)
	}
	return e.settleRefund(ctx, p, r, notice.Outcome)
}

// fee is what the platform keeps of an amount.
func (e *Engine) fee(amount *eventsv1.Money) *eventsv1.Money {
	const whole = 10_000
	if e.Fee <= 0 {
		return nil
	}
	return part(amount, big.NewInt(min(e.Fee, whole)), big.NewInt(whole))
}

func (e *Engine) load(ctx context.Context, books, id string, through eventlog.Position) (*Payment, error) {
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	past, err := e.History.Payment(ctx, books, id, through)
	if err != nil {
		return nil, fmt.Errorf("read the history of payment %s: %w", id, err)
	}
	return Fold(books, id, past), nil
}

// append returns where the log has the event.
func (e *Engine) append(ctx context.Context, event *ledger.Event) (eventlog.Position, error) {
	if invalid := ledger.Validate(event); invalid != nil {
		return eventlog.Position{}, invalid
	}
	if err := e.step(ctx, "append "+string(event.Type)); err != nil {
		return eventlog.Position{}, err
	}
	ctx, cancel := e.bounded(ctx)
	defer cancel()
	positions, err := e.Log.PublishAll(ctx, []*ledger.Event{event})
	if err != nil {
		return eventlog.Position{}, err
	}
	return positions[0], nil
}

// record appends an outcome, where the payment does not have it yet, and takes it in.
func (e *Engine) record(ctx context.Context, p *Payment, id uuid.UUID, data ledger.Data) error {
	if _, again := p.seen[id]; again {
		return nil
	}
	event := ledger.NewEvent(id, e.Now(), "/providers/"+p.Provider(), data)
	event.Ledger = p.Ledger
	at, err := e.append(ctx, event)
	if err == nil {
		p.add(eventlog.Record{Position: at, Event: event})
	}
	return err
}

func (e *Engine) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	const patience = 5 * time.Second
	return context.WithTimeout(ctx, cmp.Or(e.Patience, patience))
}

func (e *Engine) step(ctx context.Context, next string) error {
	if e.Step == nil {
		return nil
	}
	return e.Step(ctx, next)
}

// IsRefusal tells whether an error is a refusal, and which.
func IsRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }
