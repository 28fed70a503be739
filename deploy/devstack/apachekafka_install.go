package devstack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

//go:embed apachekafka/pom.xml
var apacheKafkaPOM []byte

// apacheKafkaHashes pins each jar, as sha256sum prints it: what Maven checks a download by comes from the same place as the download.
//
//go:embed apachekafka/jars.sha256
var apacheKafkaHashes []byte

//go:embed apachekafka/log4j2.properties
var apacheKafkaLogging []byte

// minJava is the oldest Java that a broker runs on.
const minJava = 17

// ApacheKafkaHere returns nil where StartApacheKafka can run Apache Kafka, else what is missing.
func ApacheKafkaHere(ctx context.Context) error {
	if _, err := findJava(ctx); err != nil {
		return err
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return fmt.Errorf("Apache Kafka's jars are installed by Maven: %w", err) //nolint:staticcheck // it begins with a name
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

// installApacheKafka makes the pinned jars available in the cache and returns their folder, as Install does for the servers from npm.
func installApacheKafka(ctx context.Context, logger *slog.Logger) (jars string, err error) {
	root, err := cacheRoot()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(apacheKafkaPOM, apacheKafkaHashes...))
	dir := filepath.Join(root, "apache-kafka-"+hex.EncodeToString(sum[:6]))
	jars = filepath.Join(dir, "jars")
	if installed(dir) {
		return jars, nil
	}
	return jars, installOnce(ctx, logger, root, dir, func(ctx context.Context, dir string) error {
		if err := mavenInstall(ctx, dir); err != nil {
			return err
		}
		return checkJars(filepath.Join(dir, "jars"))
	})
}

func mavenInstall(ctx context.Context, dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), apacheKafkaPOM, 0o600); err != nil {
		return fmt.Errorf("writing what Maven reads: %w", err)
	}
	command := exec.CommandContext(ctx, "mvn", "--quiet", "--batch-mode", "--strict-checksums",
		"dependency:copy-dependencies", "-DoutputDirectory=jars")
	command.Dir = dir
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("mvn could not install Apache Kafka (is the repository reachable?): %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil
}

// checkJars compares the folder with the pinned hashes: every jar has its own, and none is missing.
func checkJars(dir string) error {
	wanted := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(apacheKafkaHashes))
	for lines.Scan() {
		hash, name, _ := strings.Cut(lines.Text(), "  ")
		wanted[name] = hash
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing Apache Kafka's jars: %w", err)
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
		return fmt.Errorf("%d of Apache Kafka's jars did not come: %v", len(wanted), wanted)
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
