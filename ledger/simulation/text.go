package simulation

import "strconv"

const hexDigits = "0123456789abcdef"

// maxDrawnDigits is the longest text that appendHex draws: a transaction's id.
const maxDrawnDigits = 64

// code is a prefix and n drawn hexadecimal digits, at most maxDrawnDigits.
func (w *world) code(prefix string, n int) string {
	var room [16 + maxDrawnDigits]byte
	return string(w.appendHex(append(room[:0], prefix...), n))
}

func (w *world) appendHex(buf []byte, n int) []byte {
	var bits uint64
	for i := range n {
		if i%16 == 0 {
			bits = w.ids.source.Uint64()
		}
		buf = append(buf, hexDigits[bits&0xf])
		bits >>= 4
	}
	return buf
}

// traceParent is the W3C trace context of a request.
func (w *world) traceParent() string {
	const length = len("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	buf := append(make([]byte, 0, length), "00-"...)
	buf = append(w.appendHex(buf, 31), '1', '-') // never all zeros, which is no id
	buf = append(w.appendHex(buf, 15), '1', '-')
	return string(append(buf, "01"...))
}

// numbered is a name and a number of six digits or more.
func numbered[N int | uint64](prefix string, n N) string {
	var room [48]byte
	buf := append(room[:0], prefix...)
	for least := N(100_000); least > 1 && n < least; least /= 10 {
		buf = append(buf, '0')
	}
	return string(strconv.AppendUint(buf, uint64(n), 10))
}

func merchantID(merchant int) string { return numbered("m-", merchant+1) }

func siteID(site int) string { return numbered("site-", site+1) }

// userID is any payer, and their address where they gave one.
func (w *world) user() (id, email string) {
	id = numbered("user-", w.below(w.users)+1)
	if w.chance(500) {
		email = id + "@mail.example"
	}
	return id, email
}

// article is something that is sold.
type article struct{ sku, description string }

func articles() []article {
	return []article{
		{"TEA-0100", "Darjeeling tea, 100 g"},
		{"CAF-0250", "Café crème, beans, 250 g"},
		{"BOOK-017", "A history of lighthouses"},
		{"MUG-0003", "Mug, stoneware, \"Good morning\""},
		{"LAMP-042", "Desk lamp"},
		{"TKT-0001", "Day ticket, adult"},
		{"SUB-0012", "Subscription, 12 months"},
		{"NOTE-008", "ノート A5"},
		{"BIKE-RNT", "Bicycle hire, one day"},
		{"GIFT-050", "Gift card"},
	}
}
