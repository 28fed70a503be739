package devstack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Jars are what a program for Java consists of, from Maven's repository.
type Jars struct {
	Name   string // begins the name of their folder in the cache
	POM    []byte // its runtime dependencies are the jars
	Hashes []byte // of each jar, as sha256sum prints them: what Maven checks a download by comes from the same place as the download
}

// minJava is the oldest Java that a broker runs on.
const minJava = 17

// JavaHere returns nil where programs from Maven's jars can run, else what is missing.
func JavaHere(ctx context.Context) error {
	if _, err := findJava(ctx); err != nil {
		return err
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("jars, such as Apache Kafka's, are installed by Maven: %w", err)
	}
	return nil
}

var javaVersion = regexp.MustCompile(`version "(\d+)`)

// findJava returns the path of a Java that is new enough.
func findJava(ctx context.Context) (string, error) {
	path, err := exec.LookPath("java")
	if err != nil {
		return "", fmt.Errorf("Apache Kafka needs Java %d or newer: %w", minJava, err) //nolint:staticcheck // it begins with a name
	}
	out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput() //nolint:gosec // found on PATH
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", path, err)
	}
	found := javaVersion.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("%s -version says nothing known: %s", path, bytes.TrimSpace(out))
	}
	if major, err := strconv.Atoi(string(found[1])); err != nil || major < minJava {
		return "", fmt.Errorf("Apache Kafka needs Java %d or newer, and %s is %s: %w", //nolint:staticcheck // it begins with a name
			minJava, path, found[1], errors.ErrUnsupported)
	}
	return path, nil
}

// InstallJars makes pinned jars available in the cache, as Install does for the servers from npm, and returns their folder.
func InstallJars(ctx context.Context, logger *slog.Logger, of Jars) (dir string, err error) {
	root, err := cacheRoot()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(slices.Concat(of.POM, of.Hashes))
	home := filepath.Join(root, of.Name+"-"+hex.EncodeToString(sum[:6]))
	dir = filepath.Join(home, "jars")
	if installed(home) {
		return dir, nil
	}
	return dir, installOnce(ctx, logger, root, home, func(ctx context.Context, home string) error {
		if err := of.download(ctx, home); err != nil {
			return err
		}
		return of.check(filepath.Join(home, "jars"))
	})
}

func (j Jars) download(ctx context.Context, home string) error {
	if err := os.WriteFile(filepath.Join(home, "pom.xml"), j.POM, 0o600); err != nil {
		return fmt.Errorf("writing what Maven reads: %w", err)
	}
	command := exec.CommandContext(ctx, "mvn", "--quiet", "--batch-mode", "--strict-checksums",
		"dependency:copy-dependencies", "-DoutputDirectory=jars")
	command.Dir = home
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn could not install the jars of %s (is the repository reachable?): %w\n%s", j.Name, err, bytes.TrimSpace(out))
	}
	return nil
}

// check compares the folder with the pinned hashes: every jar has its own, and none is missing.
func (j Jars) check(dir string) error {
	wanted := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(j.Hashes))
	for lines.Scan() {
		hash, name, _ := strings.Cut(lines.Text(), "  ")
		wanted[name] = hash
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing the jars of %s: %w", j.Name, err)
	}
	for _, entry := range entries {
		got, err := hashFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		if got != wanted[entry.Name()] {
			return fmt.Errorf("%s has the hash %s, not the pinned %q: nothing was installed", entry.Name(), got, wanted[entry.Name()])
		}
		delete(wanted, entry.Name())
	}
	if len(wanted) > 0 {
		return fmt.Errorf("%d of the jars of %s did not come: %v", len(wanted), j.Name, wanted)
	}
	return nil
}

func hashFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("checking a jar: %w", err)
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", fmt.Errorf("checking %s: %w", path, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
