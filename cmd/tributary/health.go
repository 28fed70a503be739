package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/web"
)

func newHealthCommand(a *app) *cobra.Command {
	var live bool
	command := &cobra.Command{
		Use:   "health",
		Short: "Ask the process at TRIBUTARY_METRICS_ADDR how it is",
		Long: `Asks /readyz of the process that serves TRIBUTARY_METRICS_ADDR, and prints its answer: for a container's health check, where there
is no shell and no curl. The exit code is 0 when it is ready, 1 with the reasons when it is not, 3 when nobody answers.

With --live it asks /livez, which says only that the process can answer. A supervisor that restarts what is unhealthy has to ask that:
a projector that waits for a server is not ready, and a restart would not help it.`,
		Example: `  tributary health
  tributary health --live --metrics-addr 127.0.0.1:9464`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.health(command.Context(), live) },
	}
	command.Flags().BoolVar(&live, "live", false, "ask whether the process can answer, not whether it does its work")
	a.jsonFlag(command, "an object of ready, reasons (a string each)")
	return command
}

func (a *app) health(ctx context.Context, live bool) error {
	address, err := reachable(a.settings.get("metrics.addr"))
	if err != nil {
		return err
	}
	path := "/readyz"
	if live {
		path = "/livez"
	}
	status, body, err := ask(ctx, "http://"+address+path)
	if err != nil {
		return unreachableError{fmt.Errorf("nobody answers at %s (%w): does a projector run there, and is TRIBUTARY_METRICS_ADDR its own?",
			address, rootCause(err))}
	}
	answer := web.Readiness{Ready: status == http.StatusOK, Reasons: []string{}}
	if !live && json.Unmarshal(body, &answer) != nil || status != http.StatusOK && status != http.StatusServiceUnavailable {
		return unreachableError{fmt.Errorf("what answers at %s%s with status %d is not Tributary: is TRIBUTARY_METRICS_ADDR right?",
			address, path, status)}
	}
	if err := a.printHealth(answer, live); err != nil {
		return err
	}
	if !answer.Ready {
		return errNo
	}
	return nil
}

func (a *app) printHealth(answer web.Readiness, live bool) error {
	if a.asJSON {
		return a.printJSON(answer)
	}
	word := "ready"
	if live {
		word = "alive"
	}
	if answer.Ready {
		return a.printf("%s\n", word)
	}
	if err := a.printf("not %s:\n", word); err != nil {
		return err
	}
	for _, reason := range answer.Reasons {
		if err := a.printf("- %s\n", reason); err != nil {
			return err
		}
	}
	return nil
}

// reachable is the address at which a process of this machine is asked that listens at this one: on all addresses means here, too.
func reachable(listening string) (string, error) {
	host, port, err := net.SplitHostPort(listening)
	if err != nil || port == "0" {
		return "", usagef("metrics.addr is %q: want the host:port that the process listens at", listening)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// ask is one request to a process nearby, over a connection of its own.
func ask(ctx context.Context, url string) (status int, body []byte, err error) {
	const (
		patience = 5 * time.Second
		most     = 1 << 20 // bytes
	)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", url, err)
	}
	request.Header.Set("Accept", "application/json")
	transport := &http.Transport{DisableKeepAlives: true, Proxy: nil}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("ask %s: %w", url, err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	body, err = io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		return 0, nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return response.StatusCode, body, nil
}
