package web

import (
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"
)

const (
	// An address may fail to say who calls so often at once, and then so often a second.
	failuresAtOnce    = 30
	failuresPerSecond = 1
	// limitedCallers bounds how many callers are counted; beyond it the least seen begin anew.
	limitedCallers = 50_000
)

// buckets are token buckets by name.
type buckets struct {
	all *otter.Cache[string, *rate.Limiter]
}

func newBuckets() buckets {
	return buckets{otter.Must(&otter.Options[string, *rate.Limiter]{MaximumSize: limitedCallers})}
}

// of is a name's bucket.
func (b buckets) of(name string, perSecond float64, atOnce int) *rate.Limiter {
	if bucket, ok := b.all.GetIfPresent(name); ok {
		if bucket.Limit() != rate.Limit(perSecond) { // the key was changed
			bucket.SetLimit(rate.Limit(perSecond))
			bucket.SetBurst(atOnce)
		}
		return bucket
	}
	bucket, _ := b.all.SetIfAbsent(name, rate.NewLimiter(rate.Limit(perSecond), atOnce))
	return bucket
}

// limited takes a request from a caller's bucket, and tells the caller what is left there (RateLimit and RateLimit-Policy, as in the
// IETF's draft). It is nil where one was left. Each process counts for itself.
func (b buckets) limited(ctx huma.Context, p *Principal, perSecond int) *Problem {
	if p.RequestsPerSecond > 0 {
		perSecond = p.RequestsPerSecond
	}
	if perSecond <= 0 {
		return nil
	}
	bucket := b.of(p.ID, float64(perSecond), perSecond)
	allowed := bucket.Allow()
	left := max(math.Floor(bucket.Tokens()), 0)
	ctx.SetHeader("RateLimit-Policy", fmt.Sprintf(`"key";q=%d;w=1`, perSecond))
	ctx.SetHeader("RateLimit", fmt.Sprintf(`"key";r=%d;t=1`, int(left)))
	if allowed {
		return nil
	}
	return NewProblem(http.StatusTooManyRequests, CodeRateLimited,
		fmt.Sprintf("this key may make %d requests a second; send it again after Retry-After", perSecond)).After(time.Second)
}

// guesses are counted by the address that they come from.
type guesses struct{ buckets }

func (g guesses) of(address string) *rate.Limiter {
	return g.buckets.of(address, failuresPerSecond, failuresAtOnce)
}

// tooMany is a problem where an address has failed too often.
func (g guesses) tooMany(address string) *Problem {
	if address == "" || g.of(address).Tokens() >= 1 {
		return nil
	}
	return NewProblem(http.StatusTooManyRequests, CodeRateLimited,
		"too many requests with wrong keys came from your address; those with a right one are answered once it stops").After(time.Second)
}

func (g guesses) failed(address string) {
	if address != "" {
		g.of(address).Allow()
	}
}

// places bound how many requests are under way. Only those of known callers take one: a stranger who sends slowly would else keep it. An
// empty room bounds nothing.
type places chan struct{}

func (p places) take() bool {
	if cap(p) == 0 {
		return true
	}
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

func (p places) leave() {
	if cap(p) > 0 {
		<-p
	}
}
