package product

import (
	"context"
	"fmt"
	"time"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// periods are questions to ClickHouse.
func periods() []measure.Measure {
	const goalSite, goalAll = 50, 500 // ms
	const busiest = `(SELECT owner, year FROM revenue.by_month WHERE stream = 'monetization' GROUP BY owner, year
		ORDER BY sum(events) DESC LIMIT 1)`
	return []measure.Measure{
		{
			Name: "revenue/site-year", Of: measure.Product, Unit: "ms", Goal: goalSite, Less: true,
			About: "revenue.by_month of the busiest site's busiest year",
			Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
				stores, log, err := books(ctx, bed)
				if err != nil {
					return measure.Result{}, err
				}
				var owner string
				var year uint16
				if err := stores.ClickHouse.QueryRow(ctx, "SELECT owner, toUInt16(year) FROM "+busiest).Scan(&owner, &year); err != nil {
					return measure.Result{}, fmt.Errorf("find a site: %w", err)
				}
				return ask(ctx, stores, log, `WHERE ledger = 'main' AND stream = 'monetization' AND owner = ? AND year = ?`, owner, year)
			},
		},
		{
			Name: "revenue/all", Of: measure.Product, Unit: "ms", Goal: goalAll, Less: true, About: "revenue.by_month of everything",
			Run: func(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
				stores, log, err := books(ctx, bed)
				if err != nil {
					return measure.Result{}, err
				}
				return ask(ctx, stores, log, "")
			},
		},
	}
}

// ask asks for months several times, and takes the median.
func ask(ctx context.Context, stores *measure.Stores, log *measure.Log, where string, args ...any) (measure.Result, error) {
	const times, half = 9, 0.5
	var waits []time.Duration
	rows := 0
	for range times {
		began := time.Now()
		found, err := stores.ClickHouse.Query(ctx,
			"SELECT year, month, asset_code, sum(net), sum(events) FROM revenue.by_month "+where+" GROUP BY ALL", args...)
		if err != nil {
			return measure.Result{}, fmt.Errorf("ask for months: %w", err)
		}
		for rows = 0; found.Next(); {
			rows++
		}
		if err := found.Err(); err != nil {
			return measure.Result{}, fmt.Errorf("ask for months: %w", err)
		}
		waits = append(waits, time.Since(began))
	}
	if rows == 0 {
		return measure.Result{}, fmt.Errorf("ask for months: there are none %s", where)
	}
	return measure.Result{
		Rate: milliseconds(quantile(waits, half)), Count: times,
		Extra: map[string]float64{"rows": float64(rows), "log_events": float64(log.Records(eventlog.Topics()))},
	}, nil
}
