package commands_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/commands"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

const events = "/v1/events"

// posted is a payment of a merchant, in a ledger where one is named, as JSON.
func posted(id uuid.UUID, merchant, books string) string {
	attribute := ""
	if books != "" {
		attribute = `"ledger":"` + books + `",`
	}
	return fmt.Sprintf(`{"specversion":"1.0","id":"%s","source":"/shop","type":"tributary.payment.posted.v1",%s"time":"2026-01-31T09:30:00Z",`+
		`"subject":"pay-1","data":%s}`, id, attribute, postedData(merchant))
}

func postedData(merchant string) string {
	return fmt.Sprintf(`{"payment_id":"pay-1","transaction_id":"t","user_id":"u","payment_type":"credit","provider":"sandbox",`+
		`"merchant_id":"%s","amount":{"value":"1250","asset_code":"EUR","asset_scale":2}}`, merchant)
}

func TestEventsAreTakenInEveryForm(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	id := func(n int) uuid.UUID { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)) }
	binary := []string{
		"Content-Type", "application/json", "ce-specversion", "1.0", "ce-id", id(1).String(), "ce-source", "/a%2Dshop",
		"ce-type", "tributary.payment.posted.v1", "ce-time", "2026-01-31T09:30:00Z", "ce-subject", "pay-1",
	}
	got := post(t, d.url+events, "main", postedData("acme"), binary...)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	for n, form := range map[int][2]string{
		2: {"application/cloudevents+json; charset=utf-8", posted(id(2), "acme", "")},
		3: {"application/cloudevents-batch+json", "[" + posted(id(3), "acme", "main") + "]"},
		4: {"application/x-ndjson", posted(id(4), "acme", "") + "\n\n"},
	} {
		got := post(t, d.url+events, "main", form[1], "Content-Type", form[0])
		require.Equal(t, http.StatusAccepted, got.status, got.body)
		var result commands.EventsResult
		require.NoError(t, json.Unmarshal([]byte(got.body), &result))
		require.Equal(t, id(n).String(), result.Results[0].ID)
		require.Equal(t, got.header.Get("Tributary-Position"), result.Results[0].Position)
		_, err := eventlog.ParsePosition(result.Results[0].Position)
		require.NoError(t, err)
	}
	found := d.records(t, eventlog.TopicPayments)
	require.Len(t, found, 4)
	for _, event := range found {
		require.Equal(t, ledger.DefaultLedger, event.Ledger)
		if event.ID == id(1) {
			require.Equal(t, "/a-shop", event.Source)
		}
	}
}

// What is refused is not in the log, and what is accepted is.
func TestEachEventOfABatchHasAnAnswer(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	good, bad := posted(uuid.New(), "acme", ""), strings.Replace(posted(uuid.New(), "acme", ""), `"1250"`, `"12.50"`, 1)
	foreign := posted(uuid.New(), "acme", "other")
	got := post(t, d.url+events, "main", good+"\n"+bad+"\nnonsense\n"+foreign, "Content-Type", "application/x-ndjson")
	require.Equal(t, http.StatusMultiStatus, got.status, got.body)
	var result commands.EventsResult
	require.NoError(t, json.Unmarshal([]byte(got.body), &result))
	require.Equal(t, 1, result.Accepted)
	require.Equal(t, 3, result.Refused)
	codes := make([]string, len(result.Results))
	for i, r := range result.Results {
		require.Equal(t, i, r.Index)
		if r.Problem != nil {
			codes[i] = r.Problem.Code + " " + r.Problem.Path
		}
	}
	require.Equal(t, []string{"", "bad_amount body[1].data.amount.value", "undecodable body[2].", "forbidden ledger"}, codes)
	require.Len(t, d.records(t, eventlog.TopicPayments), 1)
}

func TestEventsThatAreRefused(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	good := posted(uuid.New(), "acme", "")
	for name, c := range map[string]struct {
		caller, media, body string
		status              int
		code, path          string
	}{
		"form":     {"main", "text/plain", good, 415, "unsupported_media_type", "header.content-type"},
		"no array": {"main", "application/cloudevents-batch+json", good, 400, "bad_request", ""},
		"none":     {"main", "application/cloudevents-batch+json", "[]", 422, "invalid", "body"},
		"ledger":   {"other", "application/cloudevents+json", posted(uuid.New(), "acme", "main"), 403, "forbidden", "ledger"},
		"owner":    {"main:globex", "application/cloudevents+json", good, 403, "forbidden", ""},
		"field": {
			"main", "application/cloudevents+json", strings.Replace(good, "user_id", "usr", 1), 422, "unknown_field", "body.data.usr",
		},
		"no attribute": {"main", "application/json", postedData("acme"), 422, "missing_field", "header.ce-specversion"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := post(t, d.url+events, c.caller, c.body, "Content-Type", c.media)
			p := got.problem(t)
			require.Equal(t, []any{c.status, c.code, c.path}, []any{p.Status, p.Code, p.Path}, got.body)
		})
	}
	t.Run("owner of its own", func(t *testing.T) {
		t.Parallel()
		got := post(t, d.url+events, "shop:acme", good, "Content-Type", "application/cloudevents+json")
		require.Equal(t, http.StatusAccepted, got.status, got.body)
		require.Equal(t, "shop", d.records(t, eventlog.TopicPayments)[0].Ledger)
	})
}

// A log that does not answer is never answered with 2xx, and a request that comes back counts once.
func TestNothingIsAcknowledgedWhileTheLogIsAway(t *testing.T) {
	t.Parallel()
	kafka := stacktest.KafkaProcess(t, devstack.KafkaConfig{})
	d := newDoorTo(t, kafka.Brokers(), 200*time.Millisecond)
	event := posted(uuid.New(), "acme", "")
	structured := []string{"Content-Type", "application/cloudevents+json"}
	require.Equal(t, http.StatusAccepted, post(t, d.url+events, "main", posted(uuid.New(), "acme", ""), structured...).status)
	require.NoError(t, kafka.Pause())
	got := post(t, d.url+events, "main", event, structured...)
	require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
	require.Equal(t, "unavailable", got.problem(t).Code)
	require.Equal(t, "2", got.header.Get("Retry-After"))
	require.NoError(t, kafka.Resume())
	require.Eventually(t, func() bool {
		return post(t, d.url+events, "main", event, structured...).status == http.StatusAccepted
	}, time.Minute, 50*time.Millisecond)
	ids := map[uuid.UUID]bool{}
	for _, event := range d.records(t, eventlog.TopicPayments) {
		ids[event.ID] = true
	}
	require.Len(t, ids, 2)
}

// full is a log that has too much in its hands already.
type full struct{ commands.Log }

func (full) Buffered() int64 { return 1 << 20 }

func TestRequestsAreTurnedAwayWhileTheLogIsBehind(t *testing.T) {
	t.Parallel()
	got := post(t, serve(t, &commands.Commands{Log: full{}, Now: noon})+events, "main", posted(uuid.New(), "acme", ""),
		"Content-Type", "application/cloudevents+json")
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.NotEmpty(t, got.header.Get("Retry-After"))
}
