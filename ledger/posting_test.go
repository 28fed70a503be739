package ledger_test

import (
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/ledger"
)

// testdata/postings has an event of every type, and below it what it posts.
func TestPostings(t *testing.T) {
	t.Parallel()
	met := map[ledger.Type]bool{}
	datadriven.RunTest(t, "testdata/postings", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		e, bad := ledger.DecodeJSON([]byte(d.Input), ledger.Strict)
		require.Nil(t, bad, d.Pos)
		met[e.Type] = true
		postings := ledger.Postings(nil, e)
		requireBalance(t, postings)
		if len(postings) == 0 {
			return "–\n"
		}
		var out strings.Builder
		for _, p := range postings {
			out.WriteString(map[ledger.Direction]string{ledger.Debit: "DR ", ledger.Credit: "CR "}[p.Direction])
			out.WriteString(p.Account.String() + " " + p.Amount.String() + " " + p.Asset + "\n")
		}
		return out.String()
	})
	for _, info := range ledger.Types() {
		require.True(t, met[info.Type], "no example of %s", info.Type)
	}
}

func TestPostingsAppend(t *testing.T) {
	t.Parallel()
	e, bad := ledger.DecodeJSON([]byte(monetization), ledger.Strict)
	require.Nil(t, bad)
	once := ledger.Postings(nil, e)
	require.Equal(t, append(once[:2:2], once...), ledger.Postings(once, e))
}

func TestPointerHost(t *testing.T) {
	t.Parallel()
	for pointer, want := range map[string]string{
		"$wallet.example":                    "wallet.example",
		"$Wallet.Example/alice?x#y":          "wallet.example",
		"https://wallet.example:443/alice":   "wallet.example",
		"$xn--wllet-bua.example":             "xn--wllet-bua.example",
		"$192.0.2.1/a":                       "192.0.2.1",
		"$" + strings.Repeat("h", 64) + "/a": strings.Repeat("h", 64),
		"$" + strings.Repeat("h", 65):        "",
		"":                                   "",
		"$":                                  "",
		"$/alice":                            "",
		"wallet.example":                     "",
		"http://wallet.example":              "",
		"$user@wallet.example":               "",
		"$wallet.example:port/a":             "",
		"$wallet_1.example":                  "",
		"$wallet..example":                   "",
		"$.wallet.example":                   "",
		"$wallet.example.":                   "",
		"$-wallet.example":                   "",
		"$wallet-.example":                   "",
		"$wällét.example":                    "",
		"https://[2001:db8::1]/alice":        "",
		"$wallet.example\x00":                "",
	} {
		host, ok := ledger.PointerHost(pointer)
		require.Equal(t, want != "", ok, pointer)
		if ok {
			require.Equal(t, want, host, pointer)
		}
	}
}
