package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// The exit codes, part of the command line's contract.
const (
	exitDone        = 0
	exitNo          = 1 // the answer is no: invalid input, a difference found, or it failed
	exitUsage       = 2
	exitUnreachable = 3
)

// errNo ends a command whose output has said already why the answer is no.
var errNo = errors.New("no")

// usageError is the user's, and says how to call the command.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return usageError{fmt.Errorf(format, args...)}
}

// unreachableError says which server cannot be reached, and what to do.
type unreachableError struct{ error }

func (e unreachableError) Unwrap() error { return e.error }

// report prints an error as one clear sentence, and chooses the exit code.
func (a *app) report(ctx context.Context, command *cobra.Command, err error) int {
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNo):
		return exitNo
	case errors.As(err, &usage), !a.running:
		a.notef("tributary: %s\nTry \"%s --help\".", strings.TrimRight(err.Error(), "\n"), command.CommandPath())
		return exitUsage
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.notef("tributary: interrupted")
		return exitNo
	}
	err = a.unreachable(err)
	a.notef("tributary: %v", err)
	if _, ok := errors.AsType[unreachableError](err); ok {
		return exitUnreachable
	}
	return exitNo
}

// unreachable shortens the errors of servers that do not answer: who, where, and what to do.
func (a *app) unreachable(err error) error {
	var already unreachableError
	var postgres *pgconn.ConnectError
	switch {
	case errors.As(err, &already):
		return already
	case errors.Is(err, eventlog.ErrUnreachable):
		return a.kafkaUnreachable(err)
	case errors.As(err, &postgres):
		return a.postgresUnreachable(err)
	default:
		return err
	}
}

func (a *app) kafkaUnreachable(err error) error {
	if told, ok := errors.AsType[*eventlog.UnreachableError](err); ok && told.Refused {
		return unreachableError{fmt.Errorf("the Kafka at %s does not let us in (%w): %s",
			a.settings.get("kafka.brokers"), rootCause(told.Cause), told.Hint)}
	}
	return unreachableError{fmt.Errorf("no Kafka broker answers at %s (%w): is Kafka running, and TRIBUTARY_KAFKA_BROKERS right?",
		a.settings.get("kafka.brokers"), rootCause(err))}
}

func (a *app) postgresUnreachable(err error) error {
	place := a.settings.masked("postgres.url")
	if config, parseErr := pgconn.ParseConfig(a.settings.get("postgres.url")); parseErr == nil {
		place = net.JoinHostPort(config.Host, strconv.FormatUint(uint64(config.Port), 10))
	}
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return unreachableError{fmt.Errorf("the Postgres at %s refuses us (%s): are user, password and database in TRIBUTARY_POSTGRES_URL right?",
			place, refused.Message)}
	}
	return unreachableError{fmt.Errorf("no Postgres answers at %s (%w): is it running, and TRIBUTARY_POSTGRES_URL right?",
		place, rootCause(err))}
}

// rootCause is the innermost error of a chain, where the operating system speaks: "connection refused".
func rootCause(err error) error {
	for {
		var next error
		switch wrapped := err.(type) { //nolint:errorlint // this walks the chain
		case interface{ Unwrap() error }:
			next = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			if all := wrapped.Unwrap(); len(all) > 0 {
				next = all[len(all)-1]
			}
		}
		if next == nil {
			return err
		}
		err = next
	}
}
