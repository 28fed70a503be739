package deploy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// dashboard is as much of Grafana's form as is looked at here.
type dashboard struct {
	file       string
	UID        string   `json:"uid"`
	Title      string   `json:"title"`
	Tags       []string `json:"tags"`
	Panels     []panel  `json:"panels"`
	Templating struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID          int      `json:"id"`
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Datasource  source   `json:"datasource"`
	Targets     []target `json:"targets"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"` //nolint:tagliatelle // Grafana's name
	GridPos grid `json:"gridPos"` //nolint:tagliatelle // Grafana's name
}

type source struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type target struct {
	RefID         string `json:"refId"` //nolint:tagliatelle // Grafana's name
	Datasource    source `json:"datasource"`
	Expr          string `json:"expr"`
	RawSQL        string `json:"rawSql"`        //nolint:tagliatelle // Grafana's name
	PluginVersion string `json:"pluginVersion"` //nolint:tagliatelle // Grafana's name
}

type variable struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Datasource source `json:"datasource"`
	Definition string `json:"definition"`
}

// grid is where a panel lies: 24 columns wide.
type grid struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

func (g grid) overlaps(o grid) bool {
	return g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H
}

func dashboards(t *testing.T) []dashboard {
	t.Helper()
	paths, err := filepath.Glob("grafana/dashboards/*.json")
	require.NoError(t, err)
	require.Len(t, paths, 2)
	all := make([]dashboard, len(paths))
	for i, path := range paths {
		all[i].file = path
		require.NoError(t, json.Unmarshal([]byte(readFile(t, path)), &all[i]), path)
	}
	return all
}

// provisioned are the data sources that Grafana is given, by uid.
func provisioned(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	text := readFile(t, "grafana", "provisioning", "datasources", "tributary.yml")
	for _, match := range regexp.MustCompile(`(?m)^ {4}uid: (\S+)\n {4}type: (\S+)$`).FindAllStringSubmatch(text, -1) {
		all[match[1]] = match[2]
	}
	require.Len(t, all, 2)
	return all
}

func TestDashboardsAreWhole(t *testing.T) {
	t.Parallel()
	sources, uids := provisioned(t), map[string]bool{}
	for _, d := range dashboards(t) {
		require.NotEmpty(t, d.Title, d.file)
		require.False(t, uids[d.UID], "two dashboards are %s", d.UID)
		uids[d.UID] = true
		ids, bottom := map[int]bool{}, 0
		for i, p := range d.Panels {
			where := d.file + ": " + p.Title
			require.NotEmpty(t, p.Title, where)
			require.False(t, ids[p.ID], "%s: two panels have the id %d", where, p.ID)
			ids[p.ID] = true
			require.True(t, p.GridPos.X >= 0 && p.GridPos.W > 0 && p.GridPos.H > 0 && p.GridPos.X+p.GridPos.W <= 24, where)
			for _, o := range d.Panels[:i] {
				require.False(t, p.GridPos.overlaps(o.GridPos), "%s lies on %s", where, o.Title)
			}
			require.LessOrEqual(t, p.GridPos.Y, bottom, "%s: there is a gap above", where)
			bottom = max(bottom, p.GridPos.Y+p.GridPos.H)
			if p.Type == "row" {
				require.Equal(t, grid{0, p.GridPos.Y, 24, 1}, p.GridPos, where)
				continue
			}
			require.NotEmpty(t, p.Description, where)
			require.NotEmpty(t, p.FieldConfig.Defaults.Unit, where)
			require.NotEmpty(t, p.Targets, where)
			for _, target := range p.Targets {
				require.Equal(t, p.Datasource, target.Datasource, where)
				require.Equal(t, sources[target.Datasource.UID], target.Datasource.Type, "%s asks what is not provisioned", where)
			}
		}
		checkVariables(t, d, sources)
	}
}

// checkVariables holds the variables that panels name to those that the dashboard has.
func checkVariables(t *testing.T, d dashboard, sources map[string]string) {
	t.Helper()
	names := make([]string, 0, len(d.Templating.List))
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
		if v.Type == "query" {
			require.Equal(t, sources[v.Datasource.UID], v.Datasource.Type, "%s: %s", d.file, v.Name)
			require.NotEmpty(t, v.Definition, "%s: %s", d.file, v.Name)
		}
	}
	used := regexp.MustCompile(`\$\{?([a-z]\w*)`)
	for _, match := range used.FindAllStringSubmatch(readFile(t, d.file), -1) {
		require.Contains(t, names, match[1], "%s uses $%s, which it has not", d.file, match[1])
	}
	for _, name := range names {
		require.Regexp(t, `\$\{?`+name+`\b`, readFile(t, d.file), "%s: nothing uses $%s", d.file, name)
	}
}

func TestGrafanaIsGivenWhatItIsTold(t *testing.T) {
	t.Parallel()
	grafana := composed(t).Services["grafana"]
	plugin := grafana.Environment["GF_PLUGINS_PREINSTALL_SYNC"]
	require.NotNil(t, plugin)
	name, version, _ := strings.Cut(*plugin, "@")
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				if target.RawSQL != "" {
					require.Equal(t, name, target.Datasource.Type)
					require.Equal(t, version, target.PluginVersion)
				}
			}
		}
	}
	source := readFile(t, "grafana", "provisioning", "datasources", "tributary.yml")
	for _, match := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(source, -1) {
		require.Contains(t, grafana.Environment, match[1], "a data source reads a variable that the container has not")
	}
	places := map[string]string{}
	for _, volume := range grafana.Volumes {
		places[volume.Target] = volume.Source
	}
	folder := regexp.MustCompile(`path: (\S+)`).FindStringSubmatch(readFile(t, "grafana", "provisioning", "dashboards", "tributary.yml"))[1]
	require.DirExists(t, places[folder])
	home := *grafana.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	require.FileExists(t, filepath.Join(places[folder], strings.TrimPrefix(home, folder)))
	for _, kind := range []string{"datasources", "dashboards"} {
		require.FileExists(t, filepath.Join(places["/etc/grafana/provisioning/"+kind], "tributary.yml"))
	}
}

// testQueries asks a ClickHouse, as the user who only reads, what the dashboard for analysts would.
func testQueries(t *testing.T, clickhouse string) {
	t.Helper()
	asked := 0
	for _, d := range dashboards(t) {
		for _, v := range d.Templating.List {
			if v.Datasource.Type == "grafana-clickhouse-datasource" {
				require.NotEmpty(t, query(t, clickhouse, filled(v.Definition, "payments", "EUR")), v.Name)
				asked++
			}
		}
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				if target.RawSQL == "" {
					continue
				}
				stream, currency := "payments", "EUR"
				if strings.Contains(target.RawSQL, "post_id") {
					stream, currency = "monetization", "USD"
				}
				sql := filled(target.RawSQL, stream, currency)
				require.NotContains(t, sql, "$", "%s: a macro or variable that this test does not fill in", p.Title)
				require.NotEmpty(t, query(t, clickhouse, sql), "%s shows nothing:\n%s", p.Title, sql)
				if strings.Contains(sql, "revenue.by_") {
					require.Contains(t, query(t, clickhouse, "EXPLAIN "+sql), "quarter_hours", "%s does not read the aggregate:\n%s", p.Title, sql)
				}
				asked++
			}
		}
	}
	require.GreaterOrEqual(t, asked, 20)
}

// filled is SQL as the plugin sends it, for a picker that shows the two years of the sample in a zone that is no whole hour away.
func filled(sql, stream, currency string) string {
	const from, to = "toDateTime(1704067200)", "toDateTime(1767225600)"
	for macro, meant := range map[string]string{
		`\$__timeFilter\((\w+)\)`: "$1 >= " + from + " AND $1 <= " + to, `\$__fromTime\b`: from, `\$__toTime\b`: to,
		`\$\{owner:singlequote\}`: "'m-000001','m-000002','m-000003','site-000001','site-000002','site-000003'",
		`\$ledger\b`:              "main", `\$stream\b`: stream, `\$currency\b`: currency, `\$tz\b`: "Asia/Kathmandu",
	} {
		sql = regexp.MustCompile(macro).ReplaceAllString(sql, meant)
	}
	return sql
}

// query is what ClickHouse answers over HTTP, an error being none.
func query(t *testing.T, url, sql string) string {
	t.Helper()
	status, answer := post(t, url, sql)
	require.Equal(t, http.StatusOK, status, "%s\n%s", sql, answer)
	return answer
}

func post(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	return do(t, request)
}

func get(t *testing.T, url string) (status int, answer string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	return do(t, request)
}

func do(t *testing.T, request *http.Request) (status int, answer string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(raw)
}

// expressions are what the dashboards ask Prometheus, by panel.
func expressions(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				if target.Expr != "" {
					all[p.Title] = append(all[p.Title], target.Expr)
				}
			}
		}
	}
	require.NotEmpty(t, all)
	return all
}
