package devstack

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
)

// Ports says how a server chooses where to listen.
type Ports string

const (
	// PortsFixed uses the usual port of each server: Kafka 9092, Postgres 5432, ClickHouse 8123.
	PortsFixed Ports = "fixed"
	// PortsAuto uses any free port; several stacks can run side by side.
	PortsAuto Ports = "auto"
)

// The ports that the servers usually have.
const (
	DefaultKafkaPort      = 9092
	DefaultPostgresPort   = 5432
	DefaultClickHousePort = 8123
)

// portAttempts bounds the search when others take the ports that we find.
const portAttempts = 20

// errPortTaken says that somebody else listens there.
var errPortTaken = errors.New("port taken")

// freePort finds a free port below the range that systems hand out by themselves: a server that restarts on its port would otherwise
// find it used by somebody's outgoing connection.
func freePort(ctx context.Context) (int, error) {
	const lowest, highest = 15000, 32000
	for range portAttempts * portAttempts {
		port := lowest + rand.IntN(highest-lowest)
		if checkPort(ctx, port) == nil {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port between %d and %d", lowest, highest)
}

// checkPort fails with errPortTaken when nobody can listen on port.
func checkPort(ctx context.Context, port int) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("%w: %w", errPortTaken, err)
	}
	return listener.Close() //nolint:wrapcheck // says it all
}

// withPort starts something on the port asked for, or, when that is 0, on free ones until nobody was faster.
func withPort[T any](ctx context.Context, server string, port int, start func(port int) (T, error)) (T, error) {
	if port != 0 {
		if err := checkPort(ctx, port); err != nil {
			var none T
			return none, fmt.Errorf("%s cannot listen on 127.0.0.1:%d, something else does: stop that, or choose free ports "+
				"with --ports auto: %w", server, port, err)
		}
		return start(port)
	}
	var last error
	for range portAttempts {
		port, err := freePort(ctx)
		if err != nil {
			var none T
			return none, err
		}
		started, err := start(port)
		if err == nil || !isPortTaken(err) {
			return started, err
		}
		last = err
	}
	var none T
	return none, fmt.Errorf("%s found no port of its own: %w", server, last)
}

// isPortTaken recognizes it in our own errors, and in the words of a server's log.
func isPortTaken(err error) bool {
	return errors.Is(err, errPortTaken) || errors.Is(err, syscall.EADDRINUSE) ||
		strings.Contains(strings.ToLower(err.Error()), "address already in use")
}
