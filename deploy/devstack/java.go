package devstack

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// JavaProgram is a program for Java to run, for the benchmark's peers.
type JavaProgram struct {
	Name   string // for messages
	Jars   Jars
	HeapMB int
	Args   []string // a class, or a source file, and its arguments
	Dir    string   // gets the log; there already
	Logger *slog.Logger
}

// Java is a running program in a process of its own, which ends with this one at the latest.
type Java struct {
	childServer

	log string
}

// StartJava installs the program's jars if need be, and starts it; it does not wait until the program is ready for anything. ctx bounds the
// start alone. It fails where JavaHere does.
func StartJava(ctx context.Context, program JavaProgram) (*Java, error) {
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	logger := program.Logger
	if logger == nil {
		logger = slog.Default()
	}
	jars, err := InstallJars(ctx, logger, program.Jars)
	if err != nil {
		return nil, err
	}
	logging := filepath.Join(program.Dir, "log4j2.properties")
	if err := os.WriteFile(logging, apacheKafkaLogging, 0o600); err != nil {
		return nil, fmt.Errorf("writing the logging of %s: %w", program.Name, err)
	}
	args := append([]string{
		"-Xmx" + strconv.Itoa(program.HeapMB) + "m", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError",
		"-Dlog4j2.configurationFile=" + logging, "-cp", filepath.Join(jars, "*"),
	}, program.Args...)
	j := &Java{childServer{name: program.Name, unlock: func() {}}, filepath.Join(program.Dir, "log")}
	j.launch = func(context.Context) (*process, error) {
		return startProcess(processSpec{
			name: program.Name, path: java, args: args, env: os.Environ(),
			logFile: j.log, deathSig: syscall.SIGKILL,
		})
	}
	child, err := j.launch(ctx)
	if err != nil {
		return nil, err
	}
	j.start(ctx, child)
	return j, nil
}

// Log is the file that gets what the program writes.
func (j *Java) Log() string { return j.log }

// Ended says how the program ended, with the end of its log. To be called after Done.
func (j *Java) Ended() error { return j.ended() }
