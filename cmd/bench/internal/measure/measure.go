package measure

import (
	"context"
	"errors"
)

// Of says what a measure is of.
type Of string

const (
	// Floor is the smallest program that could do it.
	Floor Of = "floor"
	// Product is Tributary.
	Product Of = "product"
	// Peer is another system, set up as a competent team would.
	Peer Of = "peer"
)

// EventsPerSecond is the unit of most rates: of events of the log, whatever becomes of them, so that rates of all kinds compare.
const EventsPerSecond = "events/s"

// Measure is something that is measured.
type Measure struct {
	// Name is unique, in the form "what/which", such as "floor/postgres" or "rebuild/balances".
	Name string
	Of   Of
	// Unit is that of Rate: "events/s", "rows/s", "ms".
	Unit string
	// Against names another measure of the same unit, which is measured in the same rounds. Of a product that is the floor by which
	// it is divided; of a peer it is the product that is divided by the peer. The ratio is always product ÷ floor or peer.
	Against string
	// Goal is what the ratio, or without Against the rate, is to be at least; 0 for none. With Less it is to be at most that, 0 too.
	Goal float64
	Less bool
	// About is a sentence on what is done, for people.
	About string
	// Slow marks what runs only when it is named, or asked for by a flag.
	Slow bool
	// Run measures once. What it needs it takes from the bed, which is empty but for the log; what it prepares is no part of the
	// time. ErrMissing says that it cannot run here.
	Run func(ctx context.Context, bed *Bed) (Result, error)
}

// Result is what was measured once.
type Result struct {
	// Rate is in the measure's unit.
	Rate float64 `json:"rate"`
	// Count is of what Rate counts, done in Seconds.
	Count   int64   `json:"count,omitempty"`
	Seconds float64 `json:"seconds,omitempty"`
	// PeakRSS is the most memory that a process of the product, or of the peer, had resident, in bytes; 0 where it is none of its own.
	PeakRSS int64 `json:"peak_rss_bytes,omitempty"`
	// Extra are further figures; units last in their names.
	Extra map[string]float64 `json:"extra,omitempty"`
}

// ErrMissing says that a measure cannot run on this machine: a program or a server is missing. Wrap it with what.
var ErrMissing = errors.New("cannot be measured here")

// Per is the result of so many within so many seconds.
func Per(count int64, seconds float64) Result {
	return Result{Rate: float64(count) / seconds, Count: count, Seconds: seconds}
}
