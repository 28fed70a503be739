package chaos

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/simulation"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// post is a write of something else than payments. positions and ids are of what was acknowledged.
type post struct {
	positions []string
	ids       []uuid.UUID
	batch     string // the name of a batch
	size      int    // of the batch
}

// poster sends events, receivers and batches of monetization.
type poster struct {
	s      *shop
	random *rand.Rand
	events *simulation.Simulation
	sent   int
}

func (p *poster) run() {
	const longest = 1_000
	for !p.s.c.quiet.heard() && !p.s.c.Failed() {
		p.sent++
		switch p.random.IntN(3) {
		case 0:
			p.sendEvents()
		case 1:
			p.send(&post{}, "/v1/receivers", "application/json", `{"merchant_id":"acme","chain":"dash","address":"Xn8","base_fiat":"31.72",
				"amount_fiat":{"value":"1250","asset_code":"EUR","asset_scale":2},"asset":{"asset_code":"DASH","asset_scale":8}}`)
		default:
			p.sendBatch()
		}
		pause(p.s.c.Context(), time.Duration(p.random.IntN(longest))*time.Millisecond)
	}
}

// send sends the same until it is accepted, to any gateway, and gives up now and then.
func (p *poster) send(one *post, path, contentType, body string) {
	key := fmt.Sprintf("post-%d", p.sent)
	p.s.mu.Lock()
	p.s.posts = append(p.s.posts, one)
	p.s.mu.Unlock()
	for {
		got, err := p.s.post(p.random.IntN(gatewayCopies), path, key, contentType, body)
		switch {
		case err != nil, got.status == http.StatusServiceUnavailable:
		case got.status == http.StatusCreated, got.status == http.StatusAccepted:
			p.s.answers.Add(1)
			p.s.mu.Lock()
			one.positions = strings.Split(got.position, ",")
			p.s.mu.Unlock()
			return
		default:
			p.s.c.Errorf("%s: %d %s", path, got.status, got.body)
			return
		}
		if p.s.c.quiet.heard() || p.s.c.Failed() || p.random.IntN(6) == 0 {
			return
		}
		pause(p.s.c.Context(), 200*time.Millisecond)
	}
}

// sendEvents sends some events that move no money of the provider's.
func (p *poster) sendEvents() {
	const most = 20
	one := &post{}
	var text []byte
	for len(one.ids) < 1+p.random.IntN(most) {
		event, _ := p.events.Next()
		if strings.HasPrefix(string(event.Type), "tributary.payment.") {
			continue
		}
		event.Ledger = shopLedger
		text = append(ledger.AppendJSON(text, event), '\n')
		one.ids = append(one.ids, event.ID)
	}
	p.send(one, "/v1/events", "application/x-ndjson", string(text))
}

// sendBatch sends a batch, which is in the log as a whole or not at all. The embedded Kafka promises no transactions over its own crash.
func (p *poster) sendBatch() {
	const most, cents = 20, 100
	if p.s.c.stack.kafka.forgetsSequences {
		return
	}
	one := &post{batch: fmt.Sprintf("batch-%d", p.sent), size: 1 + p.random.IntN(most)}
	total, lines := 0, make([]string, one.size)
	for i := range lines {
		value := 1 + p.random.IntN(cents-1)
		total += value
		lines[i] = fmt.Sprintf(`{"value":"0.%02d","post_id":%q}`, value, one.batch)
	}
	p.send(one, "/v1/monetization/batches", "application/json", fmt.Sprintf(
		`{"plugin_id":"blog","payment_pointer":"$wallet.example/ada","date":"2026-01-31T09:30:00Z","total_value":"%d.%02d","transactions":[%s]}`,
		total/cents, total%cents, strings.Join(lines, ",")))
}

// provePosts looks for what was acknowledged, and for batches of which a part is there.
func (s *shop) provePosts(log *tally) {
	s.c.Helper()
	at := map[string]bool{}
	ofBatch := map[string]map[uuid.UUID]bool{}
	for _, record := range log.shop {
		at[record.String()] = true
		if data, ok := record.Event.Data.(*eventsv1.MonetizationReceived); ok && strings.HasPrefix(data.GetPostId(), "batch-") {
			if ofBatch[data.GetPostId()] == nil {
				ofBatch[data.GetPostId()] = map[uuid.UUID]bool{}
			}
			ofBatch[data.GetPostId()][record.Event.ID] = true
		}
	}
	for _, one := range s.posts {
		for _, position := range one.positions {
			_, err := eventlog.ParsePosition(position)
			require.NoError(s.c, err)
			require.True(s.c, at[position], "the log has at %s what a gateway acknowledged", position)
		}
		for _, id := range one.ids {
			require.True(s.c, len(one.positions) == 0 || log.copies[id] > 0, "the log has event %s, which a gateway acknowledged", id)
		}
		if in := len(ofBatch[one.batch]); one.batch != "" && (in > 0 || len(one.positions) > 0) {
			require.Equal(s.c, one.size, in, "%s is in the log as a whole", one.batch)
		}
	}
}
