package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

const (
	gatewayCopies = 2
	sandboxSecret = "whsec-chaos"
)

// front is where clients find a process that serves, however often it is started again.
type front struct {
	proxy *stacktest.Proxy
	says  string // what it logs with its URL when it serves
}

func (f *front) url() string { return "http://" + f.proxy.Address() }

// startGateways starts the payment provider and the gateways that call it, each behind a proxy of its own.
func (c *chaos) startGateways() {
	c.Helper()
	provider := &front{stacktest.NewProxy(c), "serving the sandbox"}
	c.environ = append(c.environ, "TRIBUTARY_PROVIDER_SANDBOX_URL="+provider.url(), "TRIBUTARY_PROVIDER_SANDBOX_SECRET="+sandboxSecret,
		"TRIBUTARY_HTTP_ADDR=127.0.0.1:0", "TRIBUTARY_PAYMENTS_FEE=290")
	for n := range gatewayCopies {
		c.gateways = append(c.gateways, &copyOf{
			c: c, name: fmt.Sprintf("gateway %d", n+1), args: []string{"serve", "--log-format", "json"},
			front: &front{stacktest.NewProxy(c), "serving"},
		})
	}
	c.sandbox = &copyOf{c: c, name: "the sandbox", front: provider, args: []string{
		"sandbox", "--addr", "127.0.0.1:0", "--journal", c.sandboxJournal(), "--log-format", "json",
		"--webhook-url", c.gateways[0].front.url() + "/v1/providers/sandbox/webhooks",
	}}
	for _, one := range append([]*copyOf{c.sandbox}, c.gateways...) {
		require.NoError(c, one.start())
		c.actors.Go(one.watch)
	}
}

func (c *chaos) sandboxJournal() string { return filepath.Join(c.dir, "sandbox.journal") }

// open leads clients to the process, once it serves.
func (f *front) open(ctx context.Context, p *process) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	address := ""
	if !until(ctx, func() bool {
		address = f.address(p.said())
		return address != "" || !p.running()
	}) || address == "" {
		return fmt.Errorf("%v does not serve:\n%s", p.command.Args, p.tail())
	}
	f.proxy.To(address)
	return nil
}

func (f *front) address(said string) string {
	for line := range strings.Lines(said) {
		var entry struct {
			Msg string `json:"msg"`
			URL string `json:"url"`
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Msg == f.says && entry.URL != "" {
			return strings.TrimPrefix(entry.URL, "http://")
		}
	}
	return ""
}

// ofGateways are the faults of gateways, of the provider, and of the connections to both.
func (c *chaos) ofGateways() []fault {
	providers := []*copyOf{c.sandbox}
	deck := []fault{
		{gatewaysKilled, ofGateways, ofCopies(c.gateways, killed)},
		{"gateways: restarted", ofGateways, ofCopies(c.gateways, c.restartedServing)},
		{"gateways: paused", ofGateways, ofCopies(c.gateways, paused)},
		{"gateways: all killed", ofGateways, c.killGateways},
		{"sandbox: killed", ofSandbox, ofCopies(providers, killed)},
		{"sandbox: restarted", ofSandbox, ofCopies(providers, c.restartedServing)},
		{"sandbox: paused", ofSandbox, ofCopies(providers, paused)},
	}
	deck = append(deck, c.ofNetwork(ofGateways, c.gateways[0].front.proxy, c.gateways[1].front.proxy)...)
	return append(deck, c.ofNetwork(ofSandbox, c.sandbox.front.proxy)...)
}

const gatewaysKilled = "gateways: killed"

// killed ends it as the machine's end would; it stays away for a while.
func killed(ctx context.Context, p *process, random *rand.Rand) error {
	p.kill()
	pause(ctx, short(random))
	return nil
}

func restarted(_ context.Context, p *process, _ *rand.Rand) error {
	err := p.stop()
	if err == nil && p.code() != 0 {
		err = fmt.Errorf("%v was told to stop, and ended with %d:\n%s", p.command.Args, p.code(), p.tail())
	}
	return err
}

// restartedServing stops what answers calls: it may give up those that wait for others for longer than it has, and says so.
func (c *chaos) restartedServing(ctx context.Context, p *process, random *rand.Rand) error {
	err := restarted(ctx, p, random)
	if err == nil || p.running() || p.code() != exitNo {
		return err
	}
	for _, why := range []string{"stop serving HTTP", "wait for Kafka to acknowledge"} {
		if strings.Contains(p.said(), why) {
			c.report.note("stops of what serves, with calls under way that came to no end in 10 s")
			return nil
		}
	}
	return err
}

func paused(ctx context.Context, p *process, random *rand.Rand) error {
	stopped(ctx, p, long(random))
	return nil
}

func (c *chaos) killGateways(ctx context.Context, random *rand.Rand) (string, error) {
	down := short(random)
	errs := make([]error, len(c.gateways))
	var all sync.WaitGroup
	for i, one := range c.gateways {
		all.Go(func() {
			errs[i] = one.harm(func(p *process) error { //nolint:contextcheck // it outlives the fault
				p.kill()
				pause(ctx, down)
				return nil
			})
		})
	}
	all.Wait()
	return fmt.Sprintf(", down for %s", down), errors.Join(errs...)
}
