package web

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhomARequestComesFrom(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for _, c := range []struct {
		name, peer string
		forwarded  []string
		proxies    []netip.Prefix
		want       string
	}{
		{"no proxy is trusted", "10.0.0.1:4000", []string{"203.0.113.9"}, nil, "10.0.0.1"},
		{"a stranger says who it is", "198.51.100.7:4000", []string{"203.0.113.9"}, proxies, "198.51.100.7"},
		{"a proxy says it", "10.0.0.1:4000", []string{"203.0.113.9"}, proxies, "203.0.113.9"},
		{"the caller says something first", "10.0.0.1:4000", []string{"10.9.9.9, 192.0.2.1, 203.0.113.9"}, proxies, "203.0.113.9"},
		{"through two proxies", "10.0.0.1:4000", []string{"192.0.2.1, 203.0.113.9", "10.0.0.2"}, proxies, "203.0.113.9"},
		{"all are proxies", "10.0.0.1:4000", []string{"10.0.0.3"}, proxies, "10.0.0.3"},
		{"a proxy says nothing", "10.0.0.1:4000", nil, proxies, "10.0.0.1"},
		{"a proxy says nonsense", "10.0.0.1:4000", []string{"203.0.113.9, unknown"}, proxies, "10.0.0.1"},
		{"with a port", "10.0.0.1:4000", []string{"203.0.113.9:51000"}, proxies, "203.0.113.9"},
		{"a proxy by IPv6, mapped", "[::ffff:10.0.0.1]:4000", []string{"2001:db8:1:2:3::4"}, proxies, "2001:db8:1:2::/64"},
		{"a caller by IPv6", "[2001:db8:1:2:3::4]:4000", nil, proxies, "2001:db8:1:2::/64"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.RemoteAddr, r.Header["X-Forwarded-For"] = c.peer, c.forwarded
		require.Equal(t, c.want, Gate{Proxies: c.proxies}.address(r), c.name)
	}
}
