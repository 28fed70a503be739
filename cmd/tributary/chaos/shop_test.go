package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/providers/sandbox"
)

const (
	// shopLedger has the books of what goes through the gateways; the publishers' are others.
	shopLedger = "shop"
	shopScale  = 2
	merchants  = 4
)

// shop are merchants whose programs call both gateways. It keeps what it called and how it was answered.
type shop struct {
	c      *chaos
	key    string
	client *http.Client

	answers  atomic.Int64 // to calls
	reads    atomic.Int64
	mu       sync.Mutex
	payments []*payment
	posts    []*post
}

// payment is one as its merchant knows it. What is below amount is guarded by the shop.
type payment struct {
	id, asset string
	amount    int64 // in hundredths

	calls    []*call
	posted   eventlog.Position // the latest that an answer had that it is posted; zero before
	refunded int64             // by refunds that were answered with 201
	done     []string
	seen     bool // a read found a receipt of it
}

// call is one request about a payment, sent under one key, as often as it takes. What is below refundID is guarded by the shop.
type call struct {
	what     string // start, post, fail or refund
	payment  *payment
	path     string
	key      string
	body     string
	value    int64  // of a refund; 0 means all that is left
	refundID string // or the transaction_id of a post

	statuses   map[int]int
	unanswered int // times that nobody knows what became of it: no answer, or 503
	refused    string
}

func (c *chaos) startShop() *shop {
	c.Helper()
	var made struct {
		Key string `json:"key"`
	}
	said := c.command("keys", "create", "--name", "chaos", "--ledger", shopLedger, "--scope", "all", "--json")
	require.NoError(c, json.NewDecoder(strings.NewReader(said)).Decode(&made), "%s", said)
	const longest = 15 * time.Second // a merchant's patience with one answer
	s := &shop{c: c, key: made.Key, client: &http.Client{Timeout: longest, Transport: &http.Transport{}}}
	c.Cleanup(s.client.CloseIdleConnections)
	for n := range merchants {
		m := &merchant{s: s, number: n, random: c.chance()}
		c.sources.Go(m.run)
	}
	for range gatewayCopies {
		reader := &shopReader{s: s, random: c.chance(), versions: map[string]int64{}}
		c.actors.Go(reader.run)
	}
	poster := &poster{s: s, random: c.chance(), events: c.simulation()}
	c.sources.Go(poster.run)
	return s
}

// merchant is one program that sells, one payment after another.
type merchant struct {
	s      *shop
	number int
	random *rand.Rand
	sold   int
}

func (m *merchant) run() {
	const longest = 1_000
	for !m.s.c.quiet.heard() && !m.s.c.Failed() {
		m.sell()
		pause(m.s.c.Context(), time.Duration(m.random.IntN(longest))*time.Millisecond)
	}
}

// one of so many.
func (m *merchant) one(of int) bool { return m.random.IntN(of) == 0 }

// sell starts a payment, posts it or gives it up, and gives back of it.
func (m *merchant) sell() {
	m.sold++
	p := &payment{id: fmt.Sprintf("pay-%d-%d", m.number, m.sold), amount: m.amount(), asset: "EUR"}
	if m.one(4) {
		p.asset = "USD"
	}
	m.s.mu.Lock()
	m.s.payments = append(m.s.payments, p)
	m.s.mu.Unlock()
	starts := []*call{p.start(m.key())}
	if m.one(10) {
		starts = append(starts, p.start(m.key()))
	}
	if m.all(starts...) != http.StatusCreated {
		return
	}
	var ends []*call
	switch m.random.IntN(12) {
	case 0:
		ends = []*call{p.fail(m.key())}
	case 1:
		ends = []*call{p.post(m.key()), p.fail(m.key())}
	case 2:
		ends = []*call{p.post(m.key()), p.post(m.key())}
	default:
		ends = []*call{p.post(m.key())}
	}
	if m.all(ends...) != http.StatusOK {
		return
	}
	for range m.random.IntN(4) {
		refunds := []*call{m.refund(p)}
		if m.one(4) {
			refunds = append(refunds, m.refund(p)) // both may be too much together
		}
		m.all(refunds...)
	}
}

// chance is a source of chance for another goroutine of a merchant's.
func (m *merchant) chance() *rand.Rand { return rand.New(rand.NewPCG(m.random.Uint64(), 0)) }

// key is an Idempotency-Key.
func (m *merchant) key() string { return fmt.Sprintf("key-%d-%x", m.number, m.random.Uint64()) }

// amount is between 10 and 500; most are among those that the sandbox treats in a special way.
func (m *merchant) amount() int64 {
	const least, most, hundred = 10, 500, 100
	whole := int64(least+m.random.IntN(most-least)) * hundred
	specials := sandbox.Specials()
	if m.one(3) {
		return whole + 50 //nolint:mnd // an ending of no meaning
	}
	special := specials[m.random.IntN(len(specials))]
	if special.Behaviour == sandbox.Declines && m.one(2) {
		return whole
	}
	var ending int64
	_, err := fmt.Sscanf(special.Ending, "%d", &ending)
	require.NoError(m.s.c, err)
	return whole + ending
}

// refund is a part with an ending of its own, the whole, all that is left, or too much.
func (m *merchant) refund(p *payment) *call {
	value := m.amount() % p.amount
	switch m.random.IntN(8) {
	case 0:
		value = p.amount
	case 1, 2:
		value = 0
	case 3:
		value = p.amount + 1 + m.random.Int64N(p.amount)
	}
	return p.refund(m.key(), value)
}

func (p *payment) money(value int64) string {
	return fmt.Sprintf(`"amount":{"value":"%d","asset_code":%q,"asset_scale":%d}`, value, p.asset, shopScale)
}

func (p *payment) call(what, key, path, body string) *call {
	return &call{what: what, payment: p, key: key, path: path, body: body, statuses: map[int]int{}}
}

func (p *payment) start(key string) *call {
	return p.call("start", key, "", fmt.Sprintf(
		`{"payment_id":%q,"user_id":"u","payment_type":"credit","merchant_id":"acme",%s}`, p.id, p.money(p.amount)))
}

func (p *payment) post(key string) *call {
	one := p.call("post", key, "/"+p.id+"/post", fmt.Sprintf(`{"transaction_id":"tx-%s",%s}`, key, p.money(p.amount)))
	one.refundID = "tx-" + key
	return one
}

func (p *payment) fail(key string) *call {
	return p.call("fail", key, "/"+p.id+"/fail", `{"reason_code":"abandoned"}`)
}

func (p *payment) refund(key string, value int64) *call {
	one := p.call("refund", key, "/"+p.id+"/refunds", "")
	one.refundID, one.value = "refund-"+key, value
	one.body = fmt.Sprintf(`{"refund_id":%q,%s}`, one.refundID, p.money(value))
	if value == 0 {
		one.body = fmt.Sprintf(`{"refund_id":%q}`, one.refundID)
	}
	return one
}

// kind is the provider's operation that the call asks for.
func (o *call) kind() providers.Kind {
	return map[string]providers.Kind{"start": providers.KindCreate, "post": providers.KindCharge, "refund": providers.KindRefund}[o.what]
}
