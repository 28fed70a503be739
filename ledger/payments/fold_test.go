package payments

import (
	"fmt"
	"math/big"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func money(value string) *eventsv1.Money {
	return &eventsv1.Money{Value: value, AssetCode: "EUR", AssetScale: new(uint32(2))}
}

// history is a payment's events as they come into the log.
type history struct {
	records []eventlog.Record
}

// has appends an event of the gateway's; an empty id is a new one.
func (h *history) has(id uuid.UUID, data ledger.Data) uuid.UUID {
	if id == uuid.Nil {
		id = uuid.New()
	}
	event := ledger.NewEvent(id, time.Unix(1_700_000_000, 0), "/keys/k", data)
	h.records = append(h.records, eventlog.Record{
		Position: eventlog.Position{Topic: eventlog.TopicPayments, Offset: int64(len(h.records))}, Event: event,
	})
	return id
}

func (h *history) fold() *Payment { return Fold(ledger.DefaultLedger, "p", h.records) }

// outcome appends what the provider said.
func (h *history) outcome(id uuid.UUID, data ledger.Data) { h.has(id, data) }

func started() *eventsv1.PaymentStarted {
	return &eventsv1.PaymentStarted{
		PaymentId: "p", UserId: "u", PaymentType: "credit", Provider: "sandbox", MerchantId: "acme", Amount: money("1000"),
	}
}

func postRequested(value string) *eventsv1.PaymentPostRequested {
	return &eventsv1.PaymentPostRequested{PaymentId: "p", TransactionId: "tx", Amount: money(value)}
}

func refundRequested(refund, value string) *eventsv1.PaymentRefundRequested {
	return &eventsv1.PaymentRefundRequested{PaymentId: "p", RefundId: refund, Amount: money(value)}
}

func done(value string) providers.Outcome {
	return providers.Outcome{State: providers.StateDone, TransactionID: "tx", Amount: money(value)}
}

// What may be done in each state, and which state it leads to.
func TestTheStateMachine(t *testing.T) {
	t.Parallel()
	steps := map[string]func(h *history){
		"start":   func(h *history) { h.has(uuid.Nil, started()) },
		"prepare": func(h *history) { h.outcome(h.fold().prepared(providers.Prepared{Token: "tok"})) },
		"request": func(h *history) { h.has(uuid.Nil, postRequested("1000")) },
		"post":    func(h *history) { h.outcome(h.fold().posted(done("1000"))) },
		"decline": func(h *history) { h.outcome(h.fold().declined(&providers.Declined{Reason: "no"})) },
		"fail": func(h *history) {
			h.has(uuid.Nil, &eventsv1.PaymentFailed{PaymentId: "p", Provider: "sandbox", ReasonCode: "gone"})
		},
		"cancel": func(h *history) { h.has(uuid.Nil, &eventsv1.PaymentCancelled{PaymentId: "p"}) },
		"part":   func(h *history) { h.has(uuid.Nil, refundRequested("r1", "400")) },
		"parted": func(h *history) { p := h.fold(); h.outcome(p.refundedOf(p.find("r1"), done("400"))) },
		"rest":   func(h *history) { h.has(uuid.Nil, refundRequested("r2", "600")) },
		"rested": func(h *history) { p := h.fold(); h.outcome(p.refundedOf(p.find("r2"), done("600"))) },
		"unrest": func(h *history) { p := h.fold(); h.outcome(p.refundDeclined(p.find("r2"), nil)) },
		"dispute": func(h *history) {
			h.has(uuid.Nil, &eventsv1.PaymentDisputeOpened{
				PaymentId: "p", DisputeId: "d", Provider: "sandbox", MerchantId: "acme", Amount: money("700"),
			})
		},
		"win": func(h *history) {
			h.has(uuid.Nil, &eventsv1.PaymentDisputeWon{
				PaymentId: "p", DisputeId: "d", Provider: "sandbox", MerchantId: "acme", Amount: money("700"),
			})
		},
	}
	for _, c := range []struct {
		past               []string
		state              string
		post, fail, refund Code // of 600
		rest               string
		open               bool
	}{
		{nil, "started", CodeUnknown, "", CodeState, "", false},
		{[]string{"start"}, "started", "", "", CodeState, "", true},
		{[]string{"start", "prepare"}, "prepared", "", "", CodeState, "", false},
		{[]string{"start", "decline"}, "failed", CodeState, CodeExists, CodeState, "", false},
		{[]string{"start", "prepare", "fail"}, "failed", CodeState, CodeExists, CodeState, "", false},
		{[]string{"start", "cancel"}, "cancelled", CodeState, CodeExists, CodeState, "", false},
		{[]string{"start", "prepare", "request"}, "post_requested", CodeExists, CodeState, CodeState, "", true},
		{[]string{"start", "prepare", "request", "fail"}, "post_requested", CodeExists, CodeState, CodeState, "", true},
		{[]string{"start", "prepare", "fail", "request"}, "failed", CodeState, CodeExists, CodeState, "", false},
		{[]string{"start", "prepare", "request", "decline"}, "failed", CodeState, CodeExists, CodeState, "", false},
		{[]string{"start", "prepare", "request", "post"}, "posted", CodeExists, CodeState, "", "1000", false},
		{[]string{"start", "prepare", "fail", "post"}, "posted", CodeExists, CodeState, "", "1000", false},
		{[]string{"start", "post"}, "posted", CodeExists, CodeState, "", "1000", false},
		{[]string{"start", "prepare", "request", "post", "part"}, "posted", CodeExists, CodeState, "", "600", true},
		{[]string{"start", "prepare", "request", "post", "part", "parted"}, "partially_refunded", CodeExists, CodeState, "", "600", false},
		{[]string{"start", "prepare", "request", "post", "part", "rest"}, "posted", CodeExists, CodeState, CodeOverRefund, "0", true},
		{[]string{"start", "prepare", "request", "post", "part", "rest", "unrest"}, "posted", CodeExists, CodeState, "", "600", true},
		{
			[]string{"start", "prepare", "request", "post", "part", "parted", "rest", "rested"},
			"refunded",
			CodeExists, CodeState, CodeOverRefund, "0", false,
		},
		{[]string{"start", "request", "post", "dispute"}, "disputed", CodeExists, CodeState, CodeOverRefund, "300", false},
		{[]string{"start", "request", "post", "dispute", "win"}, "posted", CodeExists, CodeState, "", "1000", false},
	} {
		t.Run(fmt.Sprint(c.past), func(t *testing.T) {
			t.Parallel()
			var h history
			for _, step := range c.past {
				steps[step](&h)
			}
			for i := range h.records {
				require.Nil(t, ledger.Validate(h.records[i].Event))
			}
			h.records = append(h.records, h.records...) // copies change nothing
			p := h.fold()
			require.Equal(t, c.state, p.State())
			require.Equal(t, c.open, p.Open())
			code := func(r *Refusal) Code {
				if r == nil {
					return ""
				}
				require.NotEmpty(t, r.Detail)
				return r.Code
			}
			require.Equal(t, c.post, code(p.mayPost(postRequested("1000"))))
			if c.post == "" {
				require.Equal(t, CodeAmount, code(p.mayPost(postRequested("999"))))
			}
			require.Equal(t, c.fail, code(p.mayFail()))
			require.Equal(t, c.refund, code(p.mayRefund(money("600"))))
			if c.rest != "" {
				require.Equal(t, c.rest, p.Rest().GetValue())
			}
		})
	}
}

func TestPartsAreRoundedDown(t *testing.T) {
	t.Parallel()
	engine := &Engine{Fee: 290}
	require.Equal(t, "28", engine.fee(money("999")).GetValue())
	require.Nil(t, engine.fee(money("3")))
	require.Nil(t, (&Engine{}).fee(money("1000")))
	var h history
	start := started()
	start.Fee = money("29")
	h.has(uuid.Nil, start)
	h.outcome(h.fold().posted(done("1000")))
	h.has(uuid.Nil, refundRequested("r1", "400"))
	p := h.fold()
	_, data := p.refundedOf(p.find("r1"), done("400"))
	require.Equal(t, "11", data.(*eventsv1.PaymentRefunded).GetFeeReturned().GetValue())
	_, data = p.posted(done("20"))
	require.Equal(t, "20", data.(*eventsv1.PaymentPosted).GetFee().GetValue(), "never more than what was paid")
}

// Any number of gateways append intents and outcomes in any order, each seeing only how the log was at some time after its own intent.
// They never charge twice, and never give back more than was taken; and who looks later decides the same.
func TestNoInterleavingRefundsMoreThanWasPosted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := &history{}
		h.has(uuid.Nil, started())
		var intents []uuid.UUID
		decided := map[uuid.UUID]bool{} // allowed or not, as first decided
		decide := func(id uuid.UUID, at int) bool {
			through := rapid.IntRange(at+1, len(h.records)).Draw(t, "seen")
			return Fold(ledger.DefaultLedger, "p", h.records[:through]).refused[id] == nil
		}
		places := map[uuid.UUID]int{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "step") {
			case 0:
				id := h.has(uuid.Nil, postRequested(rapid.SampledFrom([]string{"1000", "1000", "999"}).Draw(t, "charge")))
				intents, places[id] = append(intents, id), len(h.records)-1
			case 1, 2:
				refund := "r" + strconv.Itoa(rapid.IntRange(0, 12).Draw(t, "refund"))
				id := h.has(uuid.Nil, refundRequested(refund, strconv.Itoa(rapid.IntRange(0, 700).Draw(t, "value"))))
				intents, places[id] = append(intents, id), len(h.records)-1
			case 3:
				if len(intents) == 0 {
					continue
				}
				id := rapid.SampledFrom(intents).Draw(t, "intent")
				allowed := decide(id, places[id])
				if before, again := decided[id]; again {
					require.Equal(t, before, allowed, "two gateways decided differently")
				}
				decided[id] = allowed
				if allowed {
					h.finish(places[id], rapid.Bool().Draw(t, "declined"))
				}
			default:
				h.records = append(h.records, rapid.SampledFrom(h.records).Draw(t, "copy"))
			}
		}
		p := h.fold()
		charges := map[uuid.UUID]bool{}
		refunded := new(big.Int)
		seen := map[uuid.UUID]bool{}
		for i := range h.records {
			event := h.records[i].Event
			if seen[event.ID] {
				continue
			}
			seen[event.ID] = true
			switch data := event.Data.(type) {
			case *eventsv1.PaymentPosted:
				charges[event.ID] = true
			case *eventsv1.PaymentRefunded:
				refunded.Add(refunded, ledger.MoneyAmount(data.GetAmount()).Big())
			}
		}
		require.LessOrEqual(t, len(charges), 1)
		if p.Posted == nil {
			require.Zero(t, refunded.Sign())
			return
		}
		require.LessOrEqual(t, refunded.Cmp(ledger.MoneyAmount(p.Posted.GetAmount()).Big()), 0)
		require.GreaterOrEqual(t, p.left().Sign(), 0)
	})
}

// finish appends the outcome of an allowed intent, as a gateway does that sees the log to its end: once, since the provider says it once.
func (h *history) finish(place int, declined bool) {
	p := h.fold()
	switch data := h.records[place].Event.Data.(type) {
	case *eventsv1.PaymentPostRequested:
		if p.ended() {
			return
		}
		if declined {
			h.outcome(p.declined(nil))
		} else {
			h.outcome(p.posted(done("1000")))
		}
	case *eventsv1.PaymentRefundRequested:
		r := p.find(data.GetRefundId())
		if !r.Open() {
			return
		}
		if declined {
			h.outcome(p.refundDeclined(r, nil))
		} else {
			h.outcome(p.refundedOf(r, providers.Outcome{State: providers.StateDone, TransactionID: "tx", Amount: data.GetAmount()}))
		}
	}
}
