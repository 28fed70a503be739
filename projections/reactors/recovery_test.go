package reactors_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// A gateway is killed before each step of each call, with an amount that works and with one whose provider hangs after it took the
// money. The recovery finishes all of them, and the sandbox's book is the log's, to the cent.
func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	healthy := w.gateway(t, 0)
	var ids []string
	steps := map[string]int{}
	for what, done := range map[string]int{"start": http.StatusCreated, "post": http.StatusOK, "refund": http.StatusCreated} {
		for killed, over := int64(1), false; !over; killed++ {
			id := fmt.Sprintf("%s-%d", what, killed)
			ids = append(ids, id)
			dying := w.gateway(t, killed)
			var got answer
			switch what {
			case "start":
				got = call(t, dying+"/v1/payments", "main", id, startBody(id, "10000"))
			case "post":
				call(t, healthy+"/v1/payments", "main", id, startBody(id, "10000")).requireStatus(t, http.StatusCreated)
				got = call(t, dying+"/v1/payments/"+id+"/post", "main", id, postBody(id, "10000"))
			case "refund":
				posted(t, healthy, id, "10000")
				got = call(t, dying+"/v1/payments/"+id+"/refunds", "main", id, `{"amount":`+euros("4000")+`}`)
			}
			if over = got.status == done; !over {
				got.requireStatus(t, http.StatusServiceUnavailable)
				steps[what]++
			}
		}
	}
	require.Equal(t, map[string]int{"start": 4, "post": 4, "refund": 4}, steps, "append the intent, call, append the outcome, answer")
	w.recover(t)
	w.recover(t) // two at once do no more than one
	w.idle(t, ids...)
	for _, id := range ids {
		p := w.payment(t, id)
		switch what, n, _ := strings.Cut(id, "-"); {
		case what == "start" && n == "1":
			require.Nil(t, p.Started)
		case what == "start" || n == "1" && what == "post":
			require.Equal(t, "prepared", p.State(), id)
		case what == "post" || n == "1":
			require.Equal(t, "posted", p.State(), id)
		default:
			require.Equal(t, "partially_refunded", p.State(), id)
		}
	}
	w.agree(t)
}

// A repeat of a call finishes it as well as the recovery does, through another gateway.
func TestARepeatFinishesWhatAKillLeftOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	healthy := w.gateway(t, 0)
	for killed := int64(1); killed <= 4; killed++ {
		id := fmt.Sprintf("p-%d", killed)
		dying := func() string { return w.gateway(t, killed) }
		call(t, dying()+"/v1/payments", "main", "start "+id, startBody(id, "10000")).requireStatus(t, http.StatusServiceUnavailable)
		opened := call(t, healthy+"/v1/payments", "main", "start "+id, startBody(id, "10000")).requireStatus(t, http.StatusCreated)
		require.NotEmpty(t, opened.body["client_secret"])
		path, body := "/v1/payments/"+id+"/post", postBody(id, "10000")
		call(t, dying()+path, "main", "post "+id, body).requireStatus(t, http.StatusServiceUnavailable)
		receipt := call(t, healthy+path, "main", "post "+id, body).requireStatus(t, http.StatusOK)
		require.Equal(t, id, receipt.body["receipt_id"])
		require.Equal(t, "250", receipt.body["fee"].(map[string]any)["value"])
		path = "/v1/payments/" + id + "/refunds"
		call(t, dying()+path, "main", "refund "+id, `{}`).requireStatus(t, http.StatusServiceUnavailable)
		back := call(t, healthy+path, "main", "refund "+id, `{}`).requireStatus(t, http.StatusCreated)
		require.Equal(t, "10000", back.body["amount"].(map[string]any)["value"])
	}
	w.agree(t)
}

// live takes a payment through its life, with these statuses; 0 ends it.
func live(ctx context.Context, gateway, id, value string, start, post, refund int) error {
	for _, one := range []struct {
		path, key, body string
		status          int
	}{
		{"", "s", startBody(id, value), start},
		{"/" + id + "/post", "p", postBody(id, value), post},
		{"/" + id + "/refunds", "r", `{}`, refund},
	} {
		if one.status == 0 {
			return nil
		}
		got, err := try(ctx, gateway+"/v1/payments"+one.path, "main", one.key+id, one.body)
		if err != nil {
			return err
		}
		if got.status != one.status {
			return fmt.Errorf("%s%s: %d, not %d: %v", id, one.path, got.status, one.status, got.body)
		}
	}
	return nil
}

// Whatever goes wrong at the provider, a payment is posted once or not at all, and its book is the log's. Webhooks come as well.
func TestWhateverTheProviderDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.timeout = 3 * time.Second
	gateway := w.gateway(t, 0)
	hook := gateway + "/v1/providers/sandbox/webhooks"
	w.hook.Store(&hook)
	w.recover(t)
	cases := map[string]struct {
		start, post, refund int
		state               string
	}{
		"00": {201, 200, 201, "refunded"},
		"01": {201, 402, 0, "failed"},
		"02": {201, 202, 0, "posted"},
		"03": {201, 202, 0, "posted"},
		"04": {201, 202, 0, "posted"},
		"05": {201, 202, 0, "posted"},
		"06": {201, 202, 0, "failed"},
		"07": {201, 200, 201, "refunded"},
		"11": {402, 0, 0, "failed"},
		"12": {202, 0, 0, "prepared"},
		"13": {202, 0, 0, "prepared"},
		"14": {202, 0, 0, "prepared"},
		"21": {201, 200, 402, "posted"},
		"22": {201, 200, 202, "refunded"},
		"23": {201, 200, 202, "refunded"},
		"24": {201, 200, 202, "refunded"},
		"25": {201, 200, 202, "refunded"},
		"26": {201, 200, 202, "posted"},
		"27": {201, 200, 201, "refunded"},
	}
	var all errgroup.Group
	for ending, want := range cases {
		all.Go(func() error {
			return live(t.Context(), gateway, "p-"+ending, "100"+ending, want.start, want.post, want.refund)
		})
	}
	require.NoError(t, all.Wait())
	ids := make([]string, 0, len(cases))
	for ending, want := range cases {
		id := "p-" + ending
		ids = append(ids, id)
		require.Eventually(t, func() bool { return w.payment(t, id).State() == want.state }, patience, moment, id)
	}
	w.idle(t, ids...)
	w.agree(t)
}

// What a provider answers late its webhook tells, also where no recovery runs; one that comes twice is one.
func TestAWebhookTellsWhatIsLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gateway := w.gateway(t, 0)
	for _, ending := range []string{"05", "06", "07"} {
		id, value := "p-"+ending, "100"+ending
		call(t, gateway+"/v1/payments", "main", "s"+id, startBody(id, value)).requireStatus(t, 201)
		call(t, gateway+"/v1/payments/"+id+"/post", "main", "p"+id, postBody(id, value))
	}
	hook := gateway + "/v1/providers/sandbox/webhooks"
	w.hook.Store(&hook)
	for id, state := range map[string]string{"p-05": "posted", "p-06": "failed", "p-07": "posted"} {
		require.Eventually(t, func() bool { return w.payment(t, id).State() == state }, patience, moment, id)
	}
	w.agree(t)
}

// Refunds through two gateways at once never give back more than was posted.
func TestRefundsThroughTwoGatewaysAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gateways := []string{w.gateway(t, 0), w.gateway(t, 0)}
	posted(t, gateways[0], "p", "10000")
	const calls = 10
	answers := make([]answer, calls)
	var all errgroup.Group
	for i := range calls {
		all.Go(func() (err error) {
			answers[i], err = try(t.Context(), gateways[i%2]+"/v1/payments/p/refunds", "main", strconv.Itoa(i), `{"amount":`+euros("3000")+`}`)
			return err
		})
	}
	require.NoError(t, all.Wait())
	given := 0
	for _, got := range answers {
		if got.status == http.StatusCreated {
			given++
			continue
		}
		got.requireStatus(t, http.StatusConflict)
		require.Equal(t, "over_refund", got.body["code"])
	}
	require.Equal(t, 3, given)
	last := call(t, gateways[0]+"/v1/payments/p/refunds", "main", "rest", `{"refund_id":"rest"}`).requireStatus(t, http.StatusCreated)
	require.Equal(t, "1000", last.body["amount"].(map[string]any)["value"])
	events := len(w.events(t))
	call(t, gateways[1]+"/v1/payments/p/refunds", "main", "more", `{}`).requireStatus(t, http.StatusConflict)
	require.Len(t, w.events(t), events, "what is refused at once leaves nothing in the log")
	require.Equal(t, "refunded", w.payment(t, "p").State())
	w.agree(t)
}

// Posts of one payment through two gateways at once charge it once.
func TestPostsThroughTwoGatewaysAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gateways := []string{w.gateway(t, 0), w.gateway(t, 0)}
	call(t, gateways[0]+"/v1/payments", "main", "s", startBody("p", "10000")).requireStatus(t, http.StatusCreated)
	answers := make([]answer, 6)
	var all errgroup.Group
	for i := range answers {
		all.Go(func() (err error) {
			body := strings.Replace(postBody("p", "10000"), "tx-p", fmt.Sprint("tx-", i), 1)
			answers[i], err = try(t.Context(), gateways[i%2]+"/v1/payments/p/post", "main", strconv.Itoa(i), body)
			return err
		})
	}
	require.NoError(t, all.Wait())
	receipts := 0
	for _, got := range answers {
		if got.status == http.StatusOK {
			receipts++
		} else {
			got.requireStatus(t, http.StatusConflict)
		}
	}
	require.Equal(t, 1, receipts)
	w.agree(t)
}

func TestWhatIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	gateway := w.gateway(t, 0)
	at := gateway + "/v1/payments"
	code := func(status int, code, url, caller, key, body string) {
		t.Helper()
		got := call(t, url, caller, key, body).requireStatus(t, status)
		require.Equal(t, code, got.body["code"], "%v", got.body)
	}
	code(422, "bad_amount", at, "main", "a", strings.Replace(startBody("p", "10000"), "10000", "1.5", 1))
	code(422, "invalid", at, "main", "a", strings.Replace(startBody("p", "10000"), `"user_id"`, `"provider":"nobody","user_id"`, 1))
	code(403, "forbidden", at, "main:other", "a", startBody("p", "10000"))
	code(404, "not_found", at+"/p/post", "main", "a", postBody("p", "10000"))
	call(t, at, "main", "s", startBody("p", "10000")).requireStatus(t, 201)
	code(409, "key_reused", at, "main", "s", startBody("p", "10001"))
	code(409, "conflict", at, "main", "another", startBody("p", "10000"))
	code(409, "wrong_amount", at+"/p/post", "main", "a", postBody("p", "9999"))
	code(404, "not_found", at+"/p/post", "other", "a", postBody("p", "10000"))
	code(404, "not_found", at+"/p/post", "main:other", "a", postBody("p", "10000"))
	code(409, "wrong_state", at+"/p/refunds", "main", "a", `{}`)
	call(t, at+"/p/fail", "main", "f", `{"reason_code":"abandoned"}`).requireStatus(t, 200)
	call(t, at+"/p/fail", "main", "f", `{"reason_code":"abandoned"}`).requireStatus(t, 200)
	code(409, "wrong_state", at+"/p/post", "main", "b", postBody("p", "10000"))
	posted(t, gateway, "q", "10000")
	code(409, "wrong_state", at+"/q/fail", "main", "f", `{"reason_code":"abandoned"}`)
	code(409, "conflict", at+"/q/post", "main", "another", postBody("q", "10000"))
	code(409, "key_reused", at+"/q/post", "main", "post q", postBody("other", "10000"))
	code(409, "over_refund", at+"/q/refunds", "main", "r", `{"amount":`+euros("10001")+`}`)
	code(401, "unauthenticated", gateway+"/v1/providers/sandbox/webhooks", "main", "", `{}`)
	code(404, "not_found", gateway+"/v1/providers/nobody/webhooks", "main", "", `{}`)
}

// A refund of all that is left goes through two gateways at once, and meanwhile something else is refunded, so that each finds another
// rest. One of them counts, and the other gateway answers with that one.
func TestARefundOfAllThatIsLeftThroughTwoGatewaysAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	found, goOn := make(chan struct{}), make(chan struct{})
	slow := w.serve(t, w.engine(func(_ context.Context, next string) error {
		if next == "append tributary.payment.refund_requested.v1" {
			close(found)
			<-goOn
		}
		return nil
	}))
	quick := w.gateway(t, 0)
	posted(t, quick, "p", "10000")
	const path = "/v1/payments/p/refunds"
	var late answer
	var all errgroup.Group
	all.Go(func() (err error) {
		late, err = try(t.Context(), slow+path, "main", "rest", `{}`)
		return err
	})
	<-found
	call(t, quick+path, "main", "part", `{"amount":`+euros("4000")+`}`).requireStatus(t, http.StatusCreated)
	rest := call(t, quick+path, "main", "rest", `{}`).requireStatus(t, http.StatusCreated)
	require.Equal(t, "6000", rest.body["amount"].(map[string]any)["value"])
	close(goOn)
	require.NoError(t, all.Wait())
	late.requireStatus(t, http.StatusCreated)
	require.Equal(t, rest.body, late.body)
}
