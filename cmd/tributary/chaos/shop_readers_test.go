package chaos

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
)

// shopReader reads receipts and payments from any gateway, and holds each answer to what was answered before. A gateway may be away,
// and the books may be behind: that is 503, or no answer. All else must be true.
type shopReader struct {
	s        *shop
	random   *rand.Rand
	versions map[string]int64 // of receipts, as read with a position
}

// known is what was known of a payment when it was asked for.
type known struct {
	amount, refunded int64
	done             []string
	seen             bool
}

func (r *shopReader) run() {
	const pace = 50 * time.Millisecond
	for !r.s.c.enough.heard() && !r.s.c.Failed() {
		if err := r.read(); err != nil {
			if wrong, ok := errors.AsType[impossible](err); ok {
				r.s.c.Errorf("%s", wrong)
				return
			}
		}
		pause(r.s.c.Context(), pace)
	}
}

// pick is one of the latest payments that were answered to be posted.
func (r *shopReader) pick() (*payment, known, string) {
	const latest = 40
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	for range latest {
		if len(r.s.payments) == 0 {
			break
		}
		among := r.s.payments[max(0, len(r.s.payments)-latest):]
		if p := among[r.random.IntN(len(among))]; p.posted.Topic != "" {
			return p, known{p.amount, p.refunded, slices.Clone(p.done), p.seen}, p.posted.String()
		}
	}
	return nil, known{}, ""
}

func (r *shopReader) read() error {
	p, before, at := r.pick()
	if p == nil {
		return nil
	}
	gateway := r.random.IntN(gatewayCopies)
	switch r.random.IntN(3) {
	case 0:
		return r.of("/v1/receipts/"+p.id, gateway, func(got answer) error { return r.checkOld(p, before, got) })
	case 1:
		return r.of("/v1/payments/"+p.id+"?after="+url.QueryEscape(at), gateway, before.checkPayment)
	default:
		return r.of("/v1/receipts/"+p.id+"?after="+url.QueryEscape(at), gateway, func(got answer) error {
			return r.checkReceipt(p, before, got)
		})
	}
}

// of asks, and checks an answer that there is.
func (r *shopReader) of(path string, gateway int, check func(answer) error) error {
	got, err := r.s.request(http.MethodGet, gateway, path, nil, "")
	if err != nil || got.status == http.StatusServiceUnavailable {
		return nil //nolint:nilerr // it is away, or the books are behind
	}
	r.s.reads.Add(1)
	if err = check(got); err != nil {
		err = impossible{fmt.Sprintf("%s at gateway %d: %d %s: %v", path, gateway+1, got.status, got.body, err)}
	}
	return err
}

// shownPayment is what receipts and payments have in common.
type shownPayment struct {
	Amount   string `json:"amount"`
	Refunded string `json:"refunded"`
	Version  int64  `json:"version"`
	State    string `json:"state"`
	Refunds  []struct {
		RefundID string `json:"refund_id"`
		State    string `json:"state"`
	} `json:"refunds"`
}

// money checks the amounts of an answer, of which so much at least is refunded.
func (k known) money(got answer, refunded int64) (*shownPayment, error) {
	if got.status != http.StatusOK {
		return nil, errors.New("it was posted, so it is there")
	}
	var body shownPayment
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		return nil, err
	}
	amount, err := hundredths(body.Amount)
	if err != nil {
		return nil, err
	}
	back, err := hundredths(body.Refunded)
	if err != nil {
		return nil, err
	}
	if amount != k.amount || back > amount || back < refunded {
		return nil, fmt.Errorf("want an amount of %d, and at least %d of it refunded", k.amount, refunded)
	}
	return &body, nil
}

func hundredths(text string) (int64, error) {
	units, ok := ledger.ParseUnits(text)
	if !ok {
		return 0, fmt.Errorf("%q is no decimal", text)
	}
	const perHundredth = 1e16
	return units.Quo(units, big.NewInt(perHundredth)).Int64(), nil
}

// checkOld: without a position the answer may be a little old. A receipt that was there stays.
func (r *shopReader) checkOld(p *payment, before known, got answer) error {
	if got.status == http.StatusNotFound && !before.seen {
		return nil
	}
	_, err := before.money(got, 0)
	r.found(p)
	return err
}

func (r *shopReader) found(p *payment) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	p.seen = true
}

// checkReceipt: with a position all is there that was answered before, and nothing goes back.
func (r *shopReader) checkReceipt(p *payment, before known, got answer) error {
	body, err := before.money(got, before.refunded)
	if err != nil {
		return err
	}
	if body.Version < r.versions[p.id] {
		return fmt.Errorf("version %d was read before", r.versions[p.id])
	}
	r.versions[p.id] = body.Version
	r.found(p)
	return nil
}

func (k known) checkPayment(got answer) error {
	body, err := k.money(got, k.refunded)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"posted", "partially_refunded", "refunded"}, body.State) {
		return errors.New("it was posted")
	}
	for _, id := range k.done {
		if !slices.ContainsFunc(body.Refunds, func(one struct {
			RefundID string `json:"refund_id"`
			State    string `json:"state"`
		},
		) bool {
			return one.RefundID == id && one.State == "refunded"
		}) {
			return fmt.Errorf("%s was answered to be refunded", id)
		}
	}
	return nil
}
