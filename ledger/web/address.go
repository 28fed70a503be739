package web

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// address is whom a request comes from, for counting: the peer or, where that is one of our proxies, whom that says it has it from
// (X-Forwarded-For). What others say of themselves is not believed: they could say anything. Of IPv6 it is the network, because one caller
// has all of that.
func (g Gate) address(r *http.Request) string {
	peer := peerOf(r)
	if !g.trusts(peer) {
		return network(peer)
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && g.trusts(peer); i-- {
		hop, ok := parseHop(strings.TrimSpace(hops[i]))
		if !ok {
			break // our proxy says nothing of use: it is counted itself
		}
		peer = hop
	}
	return network(peer)
}

func peerOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

func (g Gate) trusts(peer string) bool {
	if len(g.Proxies) == 0 {
		return false
	}
	address, err := netip.ParseAddr(peer)
	return err == nil && slices.ContainsFunc(g.Proxies, func(p netip.Prefix) bool { return p.Contains(address.Unmap().WithZone("")) })
}

// parseHop reads an address that may have a port, as some proxies write it.
func parseHop(text string) (string, bool) {
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Unmap().String(), true
	}
	if address, err := netip.ParseAddrPort(text); err == nil {
		return address.Addr().Unmap().String(), true
	}
	return "", false
}

func network(host string) string {
	const bits = 64
	address, err := netip.ParseAddr(host)
	if err != nil || address.Unmap().Is4() {
		return host
	}
	prefix, err := address.WithZone("").Prefix(bits)
	if err != nil {
		return host
	}
	return prefix.String()
}
