package product

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

// reads are requests to a gateway.
func reads() []measure.Measure {
	return []measure.Measure{
		{
			Name: "read/receipt", Of: measure.Product, Unit: "requests/s",
			About: "GET /v1/receipts/{id} of a gateway, any of 10,000, 16 at a time",
			Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
				return readAll(ctx, bed, "/v1/receipts/", "SELECT receipt_id FROM books.receipts LIMIT 10000")
			},
		},
		{
			Name: "read/balance", Of: measure.Product, Unit: "requests/s",
			About: "GET /v1/balances/{account} of a gateway, any of 10,000, 16 at a time",
			Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
				return readAll(ctx, bed, "/v1/balances/", "SELECT DISTINCT account FROM balances.accounts LIMIT 10000")
			},
		},
	}
}

// readAll starts a gateway and asks it for some seconds for things whose names a query finds.
func readAll(ctx context.Context, bed *measure.Bed, path, names string) (result measure.Result, err error) {
	stores, log, err := books(ctx, bed)
	if err != nil {
		return result, err
	}
	rows, err := stores.Postgres.Query(ctx, names)
	if err != nil {
		return result, fmt.Errorf("find what to read: %w", err)
	}
	things, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(things) == 0 {
		return result, fmt.Errorf("find what to read: %d found: %w", len(things), err)
	}
	out, _, err := bed.Run(ctx, log.Kafka, stores, "keys", "create", "--name", "bench", "--scope", "all", "--json")
	if err != nil {
		return result, err
	}
	var key struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(out, &key); err != nil {
		return result, fmt.Errorf("read the API key: %w", err)
	}
	gateway, err := bed.Tributary(ctx, log.Kafka, stores, "serve", "--http-addr", "127.0.0.1:0", "--metrics-addr", "127.0.0.1:0",
		"--http-rate", "1000000")
	if err != nil {
		return result, err
	}
	served := running{gateway}
	used := measure.Result{}
	defer func() {
		err = errors.Join(err, served.stop(&used))
		result.PeakRSS = used.PeakRSS
	}()
	ctx, cancel := served.bound(ctx)
	defer cancel()
	at, err := addressOf(ctx, gateway)
	if err != nil {
		return result, err
	}
	return load(ctx, at+path, things, key.Key)
}

// addressOf is where a gateway serves, as it says itself.
func addressOf(ctx context.Context, gateway *measure.Process) (address string, err error) {
	const every = 20 * time.Millisecond
	serving := regexp.MustCompile(`msg=serving url=(\S+)`)
	err = measure.Poll(ctx, every, func() (bool, error) {
		found := serving.FindStringSubmatch(gateway.Output())
		if found == nil {
			return false, nil
		}
		address = found[1]
		return true, nil
	})
	return address, err
}

// load asks for things at random, by some connections that each wait for their answers, for a few seconds after a first one.
func load(ctx context.Context, base string, things []string, key string) (result measure.Result, err error) {
	const connections, warm, seconds = 16, time.Second, 4 * time.Second
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var requests atomic.Int64
	waits := make([][]time.Duration, connections)
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i := range connections {
		group.Go(func() error {
			for time.Since(began) < warm+seconds {
				asked := time.Now()
				if err := get(ctx, client, base+url.PathEscape(things[rand.IntN(len(things))]), key); err != nil {
					return err
				}
				if asked.Sub(began) >= warm {
					requests.Add(1)
					waits[i] = append(waits[i], time.Since(asked))
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return result, err
	}
	var all []time.Duration
	for _, some := range waits {
		all = append(all, some...)
	}
	const half, most = 0.5, 0.99
	result = measure.Per(requests.Load(), (time.Since(began) - warm).Seconds())
	result.Extra = map[string]float64{"p50_ms": milliseconds(quantile(all, half)), "p99_ms": milliseconds(quantile(all, most))}
	return result, nil
}

func get(ctx context.Context, client *http.Client, address, key string) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", address, err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	answer, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", address, err)
	}
	body, err := io.ReadAll(answer.Body)
	if err = errors.Join(err, answer.Body.Close()); err != nil {
		return fmt.Errorf("ask for %s: %w", address, err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", address, answer.Status, body)
	}
	return nil
}
