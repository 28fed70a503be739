package main

import (
	"context"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/queries"
)

// readStores are what the read half has for itself, beside the gateway's Postgres.
type readStores struct {
	replicas   []*pgxpool.Pool
	clickhouse driver.Conn
}

// connectReads makes the read half: over Postgres, its standbys, and ClickHouse where one is configured. It dials nothing.
func (a *app) connectReads(ctx context.Context, g *gateway) error {
	for _, url := range replicaURLs(a.settings.get("postgres.replicas")) {
		pool, err := postgres.Open(ctx, url)
		if err != nil {
			return usagef("TRIBUTARY_POSTGRES_REPLICAS (%s) cannot be used: %w", a.settings.masked("postgres.replicas"), rootCause(err))
		}
		g.reads.replicas = append(g.reads.replicas, pool)
	}
	if a.hasClickHouse() {
		conn, err := a.clickhouse(ctx)
		if err != nil {
			return err
		}
		g.reads.clickhouse = conn
	}
	g.queries = queries.New(queries.Config{
		Postgres: g.pool, Replicas: g.reads.replicas, ClickHouse: g.reads.clickhouse, Log: g.logger,
	})
	return nil
}

// replicaURLs takes a list apart. A URL may have commas of its own, between hosts.
func replicaURLs(list string) []string {
	return strings.Fields(strings.ReplaceAll(list, ",postgres", " postgres"))
}

func (r *readStores) close() {
	for _, pool := range r.replicas {
		pool.Close()
	}
	if r.clickhouse != nil {
		_ = r.clickhouse.Close() // It was only read.
	}
}
