package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// rule is an alert of rules.yml.
type rule struct{ name, expr, runbook string }

func rules(t *testing.T) []rule {
	t.Helper()
	var all []rule
	text := readFile(t, "prometheus", "rules.yml")
	form := regexp.MustCompile(`(?s)^(\w+)\n\s+expr: (.*?)\n\s+(?:for|labels): .*runbook_url: (\S+)`)
	for part := range strings.SplitSeq(text, "- alert: ") {
		if match := form.FindStringSubmatch(part); match != nil {
			all = append(all, rule{match[1], strings.Trim(match[2], "'"), match[3]})
		}
	}
	require.Len(t, all, strings.Count(text, "- alert: "))
	require.NotEmpty(t, all)
	return all
}

// Whoever is woken is told what to type, and no page is left over from an alert that is gone.
func TestEveryAlertHasARunbook(t *testing.T) {
	t.Parallel()
	page := readFile(t, root, "docs", "runbooks.md")
	all := rules(t)
	names, sections := make([]string, 0, len(all)), make([]string, 0, len(all))
	for _, r := range all {
		names = append(names, r.name)
		require.Equal(t, "https://github.com/tributary-ledger/tributary/blob/main/docs/runbooks.md#"+strings.ToLower(r.name), r.runbook)
	}
	for _, match := range regexp.MustCompile(`(?m)^### (\w+)$`).FindAllStringSubmatchIndex(page, -1) {
		sections = append(sections, page[match[2]:match[3]])
		body, _, _ := strings.Cut(page[match[1]:], "\n### ")
		for _, part := range []string{"**Means**", "**Look**", "**Type**", "**Over**"} {
			require.Contains(t, body, part, sections[len(sections)-1])
		}
	}
	require.Equal(t, names, sections, "in the order of the rules")
	tested := readFile(t, "prometheus", "rules_test.yml")
	for _, name := range names {
		require.Regexp(t, `alertname(: |=")`+name+`\b`, tested, "rules_test.yml never fires it")
	}
}

// tool is the path of a program of Prometheus's; without it the test is skipped.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED, nothing was tested with %s, which is not on PATH (in Debian's package prometheus)", name)
	}
	return path
}

func TestTheAlertsFireWhenTheyMust(t *testing.T) {
	t.Parallel()
	promtool := tool(t, "promtool")
	for _, args := range []string{"check config prometheus.yml", "check rules rules.yml", "test rules rules_test.yml"} {
		command := exec.CommandContext(t.Context(), promtool, strings.Fields(args)...)
		command.Dir = "prometheus"
		out, err := command.CombinedOutput()
		require.NoErrorf(t, err, "promtool %s\n%s", args, out)
	}
}

// testMetrics holds the names in dashboards and alerts to what the projectors export.
func (s *composedStack) testMetrics(t *testing.T) {
	exported := map[string]bool{"up": true, "ALERTS": true} // Prometheus's own
	for _, url := range s.health {
		_, text := get(t, url+"/metrics")
		for line := range strings.Lines(text) {
			if name := regexp.MustCompile(`^[a-z]\w*`).FindString(line); name != "" {
				exported[name] = true
			}
		}
	}
	asked := expressions(t)
	for _, r := range rules(t) {
		asked[r.name] = []string{r.expr}
	}
	metric := regexp.MustCompile(`\b(?:tributary|kafka_client|go|process)_\w+|\bup\b|\bALERTS\b`)
	for where, all := range asked {
		for _, expr := range all {
			found := metric.FindAllString(expr, -1)
			require.NotEmpty(t, found, "%s asks for nothing that we know: %s", where, expr)
			for _, name := range found {
				require.True(t, exported[name], "%s asks for %s, which no projector exports", where, name)
			}
		}
	}
}

// testPrometheus runs a Prometheus with our configuration over the projectors, and asks it what dashboards and alerts do.
func (s *composedStack) testPrometheus(t *testing.T) {
	p := startPrometheus(t, tool(t, "prometheus"), s.health)
	require.Eventually(t, func() bool {
		up := p.ask(t, `up{job="tributary"} == 1`)
		return len(up) == len(s.health)
	}, patience, 50*time.Millisecond, "targets are not up")
	for where, all := range expressions(t) {
		for _, expr := range all {
			expr = strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$projection", ".*").Replace(expr)
			require.NotContains(t, expr, "$", where)
			// A panel of what is wrong is empty when nothing is: then what it compares has to be there.
			before := regexp.MustCompile(` > 0\)?$`).ReplaceAllString(expr, "")
			if strings.HasPrefix(expr, "topk(") {
				before += ")"
			}
			shown := func() bool { return len(p.ask(t, before)) > 0 }
			require.Eventually(t, shown, patience, 50*time.Millisecond, "%s shows nothing: %s", where, before)
			p.ask(t, expr)
		}
	}
	require.Empty(t, p.ask(t, `ALERTS{alertname!="ProjectorAbsent"}`), "nothing is wrong")
	require.Eventually(t, func() bool { return len(p.ask(t, `ALERTS`)) == 0 }, patience, 50*time.Millisecond)
}

// testOutage stops ClickHouse while events come: the alert is pending, fires for the one projection that writes there, and ends when
// the server is back.
func (s *composedStack) testOutage(t *testing.T) {
	p := startPrometheus(t, tool(t, "prometheus"), s.health)
	alert := func(state string) []map[string]string {
		return p.ask(t, `ALERTS{alertname="ProjectorNotReady", alertstate="`+state+`"}`)
	}
	require.Eventually(t, func() bool {
		return len(p.ask(t, `tributary_projection_ready == 1`)) == len(s.health)
	}, patience, 50*time.Millisecond)
	require.NoError(t, s.clickhouse.Kill())
	s.publish(t, "300", "8")
	require.Eventually(t, func() bool { return len(alert("pending")) == 1 }, patience, 50*time.Millisecond)
	require.Eventually(t, func() bool { return len(alert("firing")) == 1 }, patience, 50*time.Millisecond)
	require.Equal(t, "revenue", alert("firing")[0]["projection"])
	require.Equal(t, "critical", alert("firing")[0]["severity"])
	require.NoError(t, s.clickhouse.Restart(t.Context()))
	require.Eventually(t, func() bool { return len(alert("firing"))+len(alert("pending")) == 0 }, patience, 50*time.Millisecond)
}

// prometheus is a server of a test's own.
type prometheus struct{ url string }

// startPrometheus runs one with our prometheus.yml and rules.yml, only quicker (seconds for minutes), and with addresses where Docker's
// DNS would be asked.
func startPrometheus(t *testing.T, path string, targets map[string]string) prometheus {
	t.Helper()
	dir := t.TempDir()
	quick := regexp.MustCompile(`for: \d+m`).ReplaceAllString(readFile(t, "prometheus", "rules.yml"), "for: 3s")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rules.yml"), []byte(quick), 0o600))
	static := make([]string, 0, len(targets))
	for service, url := range targets {
		static = append(static, "      - {targets: [\""+strings.TrimPrefix(url, "http://")+"\"], labels: {__meta_dns_name: "+service+"}}")
	}
	config := readFile(t, "prometheus", "prometheus.yml")
	found := regexp.MustCompile(`(?s) {4}dns_sd_configs:.*?\n( {4}relabel)`)
	config = found.ReplaceAllString(config, "    static_configs:\n"+strings.Join(static, "\n")+"\n$1")
	config = strings.NewReplacer("scrape_interval: 15s", "scrape_interval: 1s", "scrape_timeout: 10s", "scrape_timeout: 1s",
		"evaluation_interval: 15s", "evaluation_interval: 1s").Replace(config)
	require.NotContains(t, config, "dns_sd")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600))

	address := freeAddress(t)
	var said bytes.Buffer
	command := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--config.file="+filepath.Join(dir, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	command.Dir, command.Stdout, command.Stderr = dir, &said, &said
	require.NoError(t, command.Start())
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM) // it may have ended by itself, which the next line tells
		require.NoError(t, <-ended, "Prometheus said:\n%s", &said)
	})
	p := prometheus{"http://" + address}
	require.Eventually(t, func() bool {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		return err == nil && conn.Close() == nil
	}, patience, 20*time.Millisecond)
	require.Eventually(t, func() bool { status, _ := get(t, p.url+"/-/ready"); return status == 200 }, patience, 20*time.Millisecond)
	return p
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close())
	return listener.Addr().String()
}

// ask returns the labels of what an expression finds now.
func (p prometheus) ask(t *testing.T, expr string) []map[string]string {
	t.Helper()
	status, answer := get(t, p.url+"/api/v1/query?query="+url.QueryEscape(expr))
	require.Equal(t, 200, status, "%s\n%s", expr, answer)
	var found struct {
		Data struct {
			Result []struct {
				Metric map[string]string `json:"metric"`
			} `json:"result"`
		} `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(answer), &found))
	all := make([]map[string]string, len(found.Data.Result))
	for i, one := range found.Data.Result {
		all[i] = one.Metric
	}
	return all
}
