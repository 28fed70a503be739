package main

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// listenHTTP binds http.addr, with TLS where a certificate is configured.
func (a *app) listenHTTP(ctx context.Context, handler http.Handler, logger *slog.Logger) (*web.Server, error) {
	options := web.Options{Logger: logger}
	var err error
	if options.MaxConnections, err = a.wholeNumber("http.max_connections", 1); err != nil {
		return nil, err
	}
	if a.secure() {
		if options.TLS, err = web.LoadTLS(a.settings.get("http.cert_file"), a.settings.get("http.key_file"), logger); err != nil {
			return nil, usageError{err}
		}
	}
	server, err := web.ListenWith(ctx, a.settings.get("http.addr"), handler, options)
	if err != nil {
		return nil, usagef("%w; choose another with --http-addr, 127.0.0.1:0 for any that is free", err)
	}
	return server, nil
}

func (a *app) secure() bool {
	return a.settings.get("http.cert_file") != "" || a.settings.get("http.key_file") != ""
}

// wholeNumber is a setting that counts.
func (a *app) wholeNumber(key string, least int) (int, error) {
	number, err := strconv.Atoi(a.settings.get(key))
	if err != nil || number < least {
		return 0, usagef("%s is %q (from %s): want a whole number from %d on", key, a.settings.get(key), a.settings.source(key), least)
	}
	return number, nil
}

// corsOrigins are those that may call from browsers.
func (a *app) corsOrigins() ([]string, error) {
	if a.settings.get("http.cors_origins") == "" {
		return nil, nil
	}
	origins := strings.Split(a.settings.get("http.cors_origins"), ",")
	for i, origin := range origins {
		origins[i] = strings.TrimSpace(origin)
		if origins[i] == "*" {
			continue
		}
		u, err := url.Parse(origins[i])
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origins[i] {
			return nil, usagef("http.cors_origins holds %q, which is no origin: want https://host[:port], without a path", origins[i])
		}
	}
	return origins, nil
}

// trustedProxies are the networks whose X-Forwarded-For is believed.
func (a *app) trustedProxies() ([]netip.Prefix, error) {
	var proxies []netip.Prefix
	for text := range strings.SplitSeq(a.settings.get("http.trusted_proxies"), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			address, notOne := netip.ParseAddr(text)
			if notOne != nil {
				return nil, usagef("http.trusted_proxies holds %q, which is no network: want 10.0.0.0/8, fd00::/8 or an address", text)
			}
			prefix = netip.PrefixFrom(address, address.BitLen())
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, nil
}

// tokens knows callers by JWTs; nil where no issuer is configured.
func (a *app) tokens() (web.Authenticate, error) {
	const patience = 3 * time.Second
	config := web.OIDC{
		Issuer: a.settings.get("oidc.issuer"), Audience: a.settings.get("oidc.audience"),
		Ledger: a.settings.get("oidc.ledger"), LedgerClaim: a.settings.get("oidc.ledger_claim"),
		ScopesClaim: a.settings.get("oidc.scopes_claim"), OwnersClaim: a.settings.get("oidc.owners_claim"),
		Client: &http.Client{Timeout: patience}, Now: time.Now,
	}
	switch {
	case config.Issuer == "":
		return nil, nil //nolint:nilnil // to take none is a choice
	case config.Audience == "":
		return nil, usagef("oidc.issuer is set without oidc.audience: tokens that are meant for others would be taken")
	case config.Ledger != "" && !ledger.IsLedger(config.Ledger):
		return nil, usagef("oidc.ledger is %q, which is no ledger: a-z, 0-9 and -, 40 at most", config.Ledger)
	}
	return web.AuthenticateOIDC(config), nil
}
