package simulation

import (
	"strconv"
	"time"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// asset is a currency and the scale in which its amounts are written here.
type asset struct {
	code  string
	scale uint32
	// microEuros is about what a whole unit is worth.
	microEuros uint64
}

// The currencies that merchants are paid in, by their place in fiats.
const (
	eur = iota
	gbp
	usd
	jpy
	kwd
	fiatCount
)

func fiat(place int) asset {
	return [fiatCount]asset{
		eur: {"EUR", 2, 1_000_000},
		gbp: {"GBP", 2, 1_170_000},
		usd: {"USD", 2, 920_000},
		jpy: {"JPY", 0, 6_100},
		kwd: {"KWD", 3, 2_990_000},
	}[place]
}

// homeOf is the place of the currency that a merchant keeps its books in.
func homeOf(merchant int) int {
	switch n := mix(merchant) % 100; {
	case n < 38:
		return eur
	case n < 72:
		return usd
	case n < 88:
		return gbp
	case n < 96:
		return jpy
	default:
		return kwd
	}
}

// chain is a blockchain and the asset that moves on it.
type chain struct {
	name  string
	asset asset
	// addressStart and addressDigits shape its addresses.
	addressStart  string
	addressDigits int
	// path is the derivation path of a receiver's address, without its index.
	path string
	// firstBlock is the height at the start, and blockSeconds the time between two blocks.
	firstBlock, blockSeconds uint64
}

// height is that of the newest block at a time since the start.
func (c *chain) height(now time.Duration) uint32 {
	return uint32(c.firstBlock + uint64(now/time.Second)/c.blockSeconds) //nolint:gosec // below 2^32 for longer than events have times
}

func chains() []chain {
	return []chain{
		{"dash", asset{"DASH", 8, 28_000_000}, "X", 33, "m/44'/5'/0'/0/", 2_390_000, 157},
		{"bitcoin", asset{"BTC", 8, 60_000_000_000}, "bc1q", 38, "m/84'/0'/0'/0/", 930_000, 600},
		{"ethereum", asset{"ETH", 18, 2_500_000_000}, "0x", 40, "m/44'/60'/0'/0/", 24_100_000, 12},
	}
}

// micropayment is the asset of a site's revenue: finer than the same currency elsewhere.
func micropayment(site int) asset {
	if mix(site)%4 == 0 {
		return asset{"EUR", 9, 1_000_000}
	}
	return asset{"USD", 9, 920_000}
}

func powerOf10(n uint32) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

// convert is an amount, in units of the scale of from, in those of to, at the rate of their worth.
func convert(amount uint64, from, to asset) uint64 {
	worth := mulDiv(amount, from.microEuros, powerOf10(from.scale))
	return mulDiv(worth, powerOf10(to.scale), to.microEuros)
}

// money writes an amount in units of the asset's scale.
func money(amount uint64, a asset) *eventsv1.Money {
	return &eventsv1.Money{Value: strconv.FormatUint(amount, 10), AssetCode: a.code, AssetScale: &a.scale}
}
