package product

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tributary-ledger/tributary/cmd/bench/floors"
	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/balances"
)

// mostPublished bounds what is published: as many as the floor has in memory.
const mostPublished = 300_000

// commands are what is run to its end.
func commands() []measure.Measure {
	return []measure.Measure{
		{
			Name: "publish/memory", Of: measure.Product, Unit: measure.EventsPerSecond, Against: floors.Produce, Run: publishMemory,
			About: "the log's writer in this process, events in memory, until all are acknowledged",
		},
		{
			Name: "publish/ndjson", Of: measure.Product, Unit: measure.EventsPerSecond, Against: floors.Produce, Goal: 0.25, Run: publishFile,
			About: "tributary publish FILE, of NDJSON: every line is checked before the first is published",
		},
		{
			Name: "verify/all", Of: measure.Product, Unit: measure.EventsPerSecond, Against: floors.Read, Goal: 0.5, Run: verify,
			About: "tributary verify: all projections' rows against the log",
		},
		{
			Name: "replay/balances", Of: measure.Product, Unit: measure.EventsPerSecond, Against: floors.Postgres, Run: replay,
			About: "tributary replay balances: built beside the live tables, proven against them, swapped",
		},
	}
}

// inMemory are the first of the run's events: to make them up is no part of what is measured.
func inMemory(fill measure.Fill, most int64) []*ledger.Event {
	events := make([]*ledger.Event, 0, min(fill.Events, most))
	for event := range fill.All() {
		if len(events) == cap(events) {
			break
		}
		events = append(events, event)
	}
	return events
}

func publishMemory(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	events := inMemory(bed.Fill, mostPublished)
	kafka, drop, err := bed.EmptyLog(ctx, bed.Fill.Partitions)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, drop(ctx)) }()
	began := time.Now()
	_, err = measure.Publish(ctx, kafka, func(yield func(*ledger.Event) bool) {
		for _, event := range events {
			if !yield(event) {
				return
			}
		}
	})
	return measure.Per(int64(len(events)), time.Since(began).Seconds()), err
}

func publishFile(ctx context.Context, bed *measure.Bed) (result measure.Result, err error) {
	dir, err := bed.FreshDir("publish")
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "events.ndjson")
	events, err := writeNDJSON(path, bed.Fill)
	if err != nil {
		return result, err
	}
	kafka, drop, err := bed.EmptyLog(ctx, bed.Fill.Partitions)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, drop(ctx)) }()
	if _, err := bed.Program(ctx); err != nil {
		return result, err
	}
	_, used, err := bed.Run(ctx, kafka, nil, "publish", path)
	result = measure.Per(events, used.Seconds)
	result.PeakRSS = used.PeakRSS
	return result, err
}

// writeNDJSON writes as many events as are published.
func writeNDJSON(path string, fill measure.Fill) (events int64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("make a file of events: %w", err)
	}
	buffered := bufio.NewWriter(file)
	var line []byte
	for event := range fill.All() {
		if events == mostPublished {
			break
		}
		line = append(ledger.AppendJSON(line[:0], event), '\n')
		if _, err := buffered.Write(line); err != nil {
			return 0, errors.Join(fmt.Errorf("write a file of events: %w", err), file.Close())
		}
		events++
	}
	if err := errors.Join(buffered.Flush(), file.Close()); err != nil {
		return 0, fmt.Errorf("write a file of events: %w", err)
	}
	return events, nil
}

func verify(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
	return overBooks(ctx, bed, "verify")
}

func replay(ctx context.Context, bed *measure.Bed) (measure.Result, error) {
	return overBooks(ctx, bed, "replay", balances.Name)
}

// overBooks runs a command that goes through the whole log.
func overBooks(ctx context.Context, bed *measure.Bed, args ...string) (measure.Result, error) {
	stores, log, err := books(ctx, bed)
	if err != nil {
		return measure.Result{}, err
	}
	_, used, err := bed.Run(ctx, log.Kafka, stores, args...)
	if err != nil {
		return measure.Result{}, err
	}
	result := measure.Per(log.Records(eventlog.Topics()), used.Seconds)
	result.PeakRSS = used.PeakRSS
	return result, nil
}
