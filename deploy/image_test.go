package deploy_test

import (
	"debug/elf"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// copyContext copies what Docker is sent: what .dockerignore, which begins with all, lets through.
func copyContext(from, to string) error {
	raw, err := os.ReadFile(filepath.Join(from, ".dockerignore"))
	if err != nil {
		return err
	}
	var sent, dropped []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "!"); ok {
			sent = append(sent, name)
		} else if name, ok := strings.CutPrefix(line, "**/"); ok {
			dropped = append(dropped, name)
		}
	}
	for _, name := range sent {
		err := filepath.WalkDir(filepath.Join(from, name), func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			for _, pattern := range dropped {
				if matched, _ := filepath.Match(pattern, entry.Name()); matched {
					if entry.IsDir() {
						return fs.SkipDir
					}
					return nil
				}
			}
			relative, err := filepath.Rel(from, path)
			if err != nil || entry.IsDir() {
				return err
			}
			return copyFile(path, filepath.Join(to, relative))
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// In an image from scratch there is no linker, no list of time zones, and no shell.
func testAlone(t *testing.T, i image) {
	t.Helper()
	if runtime.GOOS == "linux" {
		file, err := elf.Open(i.program)
		require.NoError(t, err)
		defer file.Close() //nolint:errcheck // it was only read
		for _, part := range file.Progs {
			require.NotEqual(t, elf.PT_INTERP, part.Type, "it asks for a dynamic linker")
		}
		libraries, err := file.ImportedLibraries()
		require.NoError(t, err)
		require.Empty(t, libraries)
	}
	require.Contains(t, i.must(t, nil, "version"), "tributary 1.2.3-test")
	elsewhere := []string{"ZONEINFO=/nowhere", "TRIBUTARY_CLICKHOUSE_URL=http://127.0.0.1:1"}
	code, _, stderr := i.run(t, elsewhere, "get", "revenue", "--tz", "Asia/Kathmandu")
	require.Equal(t, 3, code, "the zone is known, and only the server is away: %s", stderr)
}

// instructions are those of the Dockerfile by name, each as its words were written, continued lines joined.
func instructions(t *testing.T) map[string][]string {
	t.Helper()
	text := regexp.MustCompile(`(?m)^#.*\n`).ReplaceAllString(readFile(t, "Dockerfile"), "")
	all := map[string][]string{}
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all[name] = append(all[name], strings.Join(strings.Fields(rest), " "))
		}
	}
	return all
}

// testDockerfile holds the Dockerfile to the module, the Makefile and the program.
func testDockerfile(t *testing.T, i image) {
	t.Helper()
	says := instructions(t)
	require.Contains(t, says["RUN"][0], `make static VERSION="$VERSION" BIN=/image/usr/local/bin/tributary`)
	wanted := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, root, "go.mod"))
	require.Regexp(t, `golang:`+regexp.QuoteMeta(wanted[1])+`\.\d+-`, says["FROM"][0], "the Go of go.mod, to the patch")
	require.Equal(t, "scratch", says["FROM"][1])
	require.Equal(t, []string{"65532:65532"}, says["USER"], "nobody")
	require.Equal(t, []string{`["/usr/local/bin/tributary"]`}, says["ENTRYPOINT"])
	require.Contains(t, says["HEALTHCHECK"][0], `CMD ["/usr/local/bin/tributary", "health", "--live"]`)
	i.must(t, nil, "health", "--live", "--help")
	for _, name := range []string{"title", "description", "source", "documentation", "licenses", "version"} {
		require.Contains(t, says["LABEL"][0], "org.opencontainers.image."+name+"=")
	}
	variables := i.settings(t)
	for _, assignment := range says["ENV"] {
		name, _, _ := strings.Cut(assignment, "=")
		require.True(t, slices.Contains(variables, name), "the program knows no %s", name)
	}
	require.NotContains(t, says, "ADD")
}
