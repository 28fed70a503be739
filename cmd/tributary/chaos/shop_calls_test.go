package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// answer is what a gateway said; status is 0 where it said nothing.
type answer struct {
	status   int
	position string
	body     string
}

// all makes calls at the same time, and returns the least status of their last answers that is not 0.
func (m *merchant) all(calls ...*call) int {
	m.s.mu.Lock()
	calls[0].payment.calls = append(calls[0].payment.calls, calls...)
	m.s.mu.Unlock()
	statuses := make([]int, len(calls))
	var group sync.WaitGroup
	for i, one := range calls {
		other := &merchant{s: m.s, random: m.chance()}
		group.Go(func() { statuses[i] = other.insist(one) })
	}
	group.Wait()
	slices.Sort(statuses)
	for _, status := range statuses {
		if status != 0 {
			return status
		}
	}
	return 0
}

// insist makes a call as a merchant's program does: the same again, at any gateway, until there is an answer that is final. Sometimes it
// gives up before, as programs that are killed do.
func (m *merchant) insist(one *call) int {
	const longest, between = time.Minute, 400
	began := time.Now()
	for {
		status := m.send(one)
		final := status != 0 && status != http.StatusAccepted && status != http.StatusServiceUnavailable
		if final || m.s.c.Failed() || m.s.c.quiet.heard() || m.one(6) || time.Since(began) > longest {
			return status
		}
		pause(m.s.c.Context(), time.Duration(m.random.IntN(between))*time.Millisecond)
	}
}

// send makes the call at one gateway, or at both at once.
func (m *merchant) send(one *call) int {
	if !m.one(5) {
		return m.s.try(one, m.random.IntN(gatewayCopies))
	}
	var statuses [gatewayCopies]int
	var both sync.WaitGroup
	for i := range statuses {
		both.Go(func() { statuses[i] = m.s.try(one, i) })
	}
	both.Wait()
	return max(statuses[0], statuses[1]) // 503 is asked again
}

func (s *shop) try(one *call, gateway int) int {
	s.mu.Lock()
	wasPosted := one.payment.posted.Topic != ""
	s.mu.Unlock()
	got, err := s.post(gateway, "/v1/payments"+one.path, one.key, "application/json", one.body)
	if err == nil {
		err = s.take(one, got, wasPosted)
	} else {
		s.mu.Lock()
		one.unanswered++
		s.mu.Unlock()
	}
	if wrong, ok := errors.AsType[impossible](err); ok {
		s.c.Errorf("%s: %s %s under %s at gateway %d: %d %s", wrong, one.what, one.payment.id, one.key, gateway+1, got.status, got.body)
	}
	return got.status
}

func (s *shop) post(gateway int, path, key, contentType, body string) (answer, error) {
	header := http.Header{"Content-Type": {contentType}, "Idempotency-Key": {key}}
	return s.request(http.MethodPost, gateway, path, header, body)
}

// request asks a gateway. An error means that nobody knows what came of it.
func (s *shop) request(method string, gateway int, path string, header http.Header, body string) (answer, error) {
	ctx := context.WithoutCancel(s.c.Context()) // the client bounds it
	request, err := http.NewRequestWithContext(ctx, method, s.c.gateways[gateway].front.url()+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	maps.Copy(request.Header, header)
	request.Header.Set("Authorization", "Bearer "+s.key)
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header.Get("Tributary-Position"), string(text)}, errors.Join(err, response.Body.Close())
}

// take keeps an answer, and holds it to what was answered before the call was made.
func (s *shop) take(one *call, got answer, wasPosted bool) error {
	s.answers.Add(1)
	var body struct {
		State string `json:"state"`
		Code  string `json:"code"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		return impossible{"it is no JSON"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one.statuses[got.status]++
	p := one.payment
	switch got.status {
	case http.StatusOK, http.StatusCreated:
		return s.accepted(one, p, body.State, got.position)
	case http.StatusAccepted, http.StatusPaymentRequired:
		if one.tooMuch() && got.status == http.StatusAccepted {
			return impossible{"more than was paid is being refunded"}
		}
	case http.StatusServiceUnavailable:
		one.unanswered++
	case http.StatusConflict:
		one.refused = body.Code
		if one.what == "refund" && wasPosted && body.Code == "wrong_state" {
			return impossible{"a payment that was posted is not"}
		}
	case http.StatusNotFound:
		for _, start := range p.calls {
			if start.what == "start" && start.statuses[http.StatusCreated] > 0 {
				return impossible{"a payment that was started is not there"}
			}
		}
	default:
		return impossible{"no such answer is known to us"}
	}
	return nil
}

func (s *shop) accepted(one *call, p *payment, state, position string) error {
	want := map[string][]string{
		"start": {"prepared", "post_requested", "posted", "partially_refunded", "refunded"},
		"post":  {"posted", "partially_refunded", "refunded"}, "fail": {"failed"}, "refund": {"refunded"},
	}[one.what]
	if !slices.Contains(want, state) {
		return impossible{"that is no state that it can have now"}
	}
	at, err := eventlog.ParsePosition(position)
	if err != nil {
		return impossible{err.Error()}
	}
	if one.what == "post" || one.what == "refund" {
		if p.posted.Topic == "" || p.posted.Offset < at.Offset {
			p.posted = at
		}
	}
	if one.what == "refund" {
		if one.tooMuch() {
			return impossible{"more was refunded than paid"}
		}
		if one.statuses[http.StatusCreated] == 1 {
			p.refunded += one.value // all that is left counts as nothing: its amount is the gateway's
			p.done = append(p.done, one.refundID)
		}
	}
	return nil
}

func (o *call) tooMuch() bool { return o.what == "refund" && o.value > o.payment.amount }
