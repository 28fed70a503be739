package providers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
)

// Settings are how patient one is with a provider; the zero value is right for most.
type Settings struct {
	// Timeout bounds one try; 0 means 4 s.
	Timeout time.Duration
	// Patience bounds a call with all its tries; 0 means 10 s. It must be well below the recovery's grace.
	Patience time.Duration
	// Tries are how often a call is made at most; 0 means 3.
	Tries int
	// Pause is that after the first try; it doubles, with jitter. 0 means 200 ms.
	Pause time.Duration
	// Failures in a row open the circuit; 0 means 5.
	Failures uint
	// OpenFor is how long an open circuit refuses calls; 0 means 5 s.
	OpenFor time.Duration
}

func (s Settings) withDefaults() Settings {
	const timeout, patience, pause, openFor = 4 * time.Second, 10 * time.Second, 200 * time.Millisecond, 5 * time.Second
	const tries, failures = 3, 5
	s.Timeout, s.Patience = cmp.Or(s.Timeout, timeout), cmp.Or(s.Patience, patience)
	s.Tries, s.Pause = cmp.Or(s.Tries, tries), cmp.Or(s.Pause, pause)
	s.Failures, s.OpenFor = cmp.Or(s.Failures, failures), cmp.Or(s.OpenFor, openFor)
	return s
}

// Guarded is a provider that may be slow, or away: each try has a deadline, what failed is tried again after a pause that grows and
// varies, and one that fails again and again is left alone for a while, so that callers hear at once that it is away. Trying
// again is safe because every call has a key.
func Guarded(provider Provider, settings Settings) Provider {
	settings = settings.withDefaults()
	const most, jitter = 8, 0.3
	return &guarded{
		provider: provider, settings: settings,
		breaker: circuitbreaker.NewBuilder[any]().WithFailureThreshold(settings.Failures).WithDelay(settings.OpenFor).
			HandleIf(func(_ any, err error) bool { return err != nil && !errors.Is(err, context.Canceled) }).Build(),
		retries: retrypolicy.NewBuilder[any]().WithMaxAttempts(settings.Tries).WithBackoff(settings.Pause, most*settings.Pause).
			WithJitterFactor(jitter).AbortOnErrors(circuitbreaker.ErrOpen, context.Canceled).ReturnLastFailure().Build(),
	}
}

type guarded struct {
	provider Provider
	settings Settings
	breaker  circuitbreaker.CircuitBreaker[any]
	retries  retrypolicy.RetryPolicy[any]
}

func call[R any](ctx context.Context, g *guarded, operation Operation, do func(context.Context) (R, error)) (answer R, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.settings.Patience)
	defer cancel()
	err = failsafe.With[any](g.retries, g.breaker).WithContext(ctx).Run(func() error {
		ctx, cancel := context.WithTimeout(ctx, g.settings.Timeout)
		defer cancel()
		var err error
		answer, err = do(ctx)
		return err
	})
	if err != nil {
		return answer, fmt.Errorf("%s of payment %s: what became of it is not known: %w", operation.Kind, operation.PaymentID, err)
	}
	return answer, nil
}

func (g *guarded) Create(ctx context.Context, intent Intent) (Prepared, error) {
	return call(ctx, g, intent.Operation(), func(ctx context.Context) (Prepared, error) { return g.provider.Create(ctx, intent) })
}

func (g *guarded) Confirm(ctx context.Context, charge Charge) (Outcome, error) {
	return call(ctx, g, charge.Operation(), func(ctx context.Context) (Outcome, error) { return g.provider.Confirm(ctx, charge) })
}

func (g *guarded) Refund(ctx context.Context, refund Refund) (Outcome, error) {
	return call(ctx, g, refund.Operation(), func(ctx context.Context) (Outcome, error) { return g.provider.Refund(ctx, refund) })
}

func (g *guarded) Lookup(ctx context.Context, operation Operation) (Outcome, error) {
	return call(ctx, g, operation, func(ctx context.Context) (Outcome, error) { return g.provider.Lookup(ctx, operation) })
}

func (g *guarded) ParseWebhook(header http.Header, body []byte) ([]Notice, error) {
	return g.provider.ParseWebhook(header, body)
}
