package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// The parts of a run whose use of processors is told apart.
const (
	// Projectors are the product's processes that make tables.
	Projectors = "projectors"
	// PostgresServer and ClickHouseServer are the stores.
	PostgresServer   = "postgres"
	ClickHouseServer = "clickhouse"
	// ThisProcess is the measuring program: it publishes, and has the embedded Kafka in it.
	ThisProcess = "publisher_and_kafka"
)

// Parts are in the order in which people read them.
func Parts() []string { return []string{ThisProcess, Projectors, PostgresServer, ClickHouseServer} }

// ProcessorsUsed is how many seconds of a processor each part has used so far: this process, and all that descend from it. It is empty
// where the system does not tell, as only Linux does.
func ProcessorsUsed() (map[string]float64, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return nil, err //nolint:wrapcheck // a pattern of ours
	}
	all := make(map[int]process, len(files))
	for _, file := range files {
		p, err := processOf(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // It has ended.
		}
		if err != nil {
			return nil, err
		}
		all[p.pid] = p
	}
	used := map[string]float64{}
	for _, p := range all {
		if part := partOf(all, p); part != "" {
			used[part] += p.seconds
		}
	}
	return used, nil
}

// process is what /proc tells of one: who started it, and what it and its children that have ended have used.
type process struct {
	pid, parent int
	name        string
	seconds     float64
}

// processOf reads /proc/PID/stat: "pid (name) state parent …", the times from the 14th field on.
func processOf(file string) (process, error) {
	const (
		parentAt, userAt, fields = 1, 11, 15
		ticksPerSecond           = 100 // of USER_HZ, on every architecture that Go runs on
	)
	text, err := os.ReadFile(file)
	if err != nil {
		return process{}, fmt.Errorf("read what a process has used: %w", err)
	}
	open, closing := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || closing < open {
		return process{}, fmt.Errorf("%s: no name in %q", file, text)
	}
	rest := strings.Fields(string(text[closing+1:]))
	if len(rest) < fields {
		return process{}, fmt.Errorf("%s: %d fields after the name", file, len(rest))
	}
	p := process{name: string(text[open+1 : closing])}
	var problems []error
	number := func(text string) int {
		n, err := strconv.Atoi(text)
		problems = append(problems, err)
		return n
	}
	p.pid, p.parent = number(strings.TrimSpace(string(text[:open]))), number(rest[parentAt])
	ticks := number(rest[userAt]) + number(rest[userAt+1])
	if p.pid != os.Getpid() { // Its children are told apart.
		ticks += number(rest[userAt+2]) + number(rest[userAt+3])
	}
	p.seconds = float64(ticks) / ticksPerSecond
	return p, errors.Join(problems...)
}

// partOf is whose use it is; empty where it does not descend from this process.
func partOf(all map[int]process, p process) string {
	if p.pid == os.Getpid() {
		return ThisProcess
	}
	part := ClickHouseServer
	for {
		switch {
		case p.name == "postgres":
			part = PostgresServer
		case strings.HasPrefix(p.name, "tributary"):
			part = Projectors
		}
		if p.parent == os.Getpid() {
			return part
		}
		parent, known := all[p.parent]
		if !known || p.parent == p.pid {
			return ""
		}
		p = parent
	}
}

// UsedPerMillion puts into a result what each part has used since, for a million events.
func (r *Result) UsedPerMillion(since map[string]float64) error {
	now, err := ProcessorsUsed()
	if err != nil {
		return err
	}
	const million = 1e6
	for part, seconds := range now {
		r.Extra[part+PerMillion] = (seconds - since[part]) / float64(r.Count) * million
	}
	return nil
}

// PerMillion ends the names of what UsedPerMillion notes.
const PerMillion = "_cpu_seconds_per_million"
