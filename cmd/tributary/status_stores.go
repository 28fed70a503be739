package main

import (
	"context"
	"errors"

	driver "github.com/ClickHouse/clickhouse-go/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/projections/clickhouse"
)

// statusOfStores compares what ClickHouse has with what Postgres knows of it, where both can be asked: one of them may have been
// restored from a backup.
func (a *app) statusOfStores(ctx context.Context, report *statusReport) error {
	if report.ClickHouse == nil || report.Quarantine == nil {
		return nil
	}
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		return a.withClickHouse(ctx, func(conn driver.Conn) error {
			for _, projection := range clickhouseProjections() {
				if err := report.compareStores(ctx, pool, conn, projection); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (r *statusReport) compareStores(ctx context.Context, pool *pgxpool.Pool, conn driver.Conn, projection clickhouse.Projection) error {
	const unknownTable, unknownDatabase = 60, 81
	for i := range r.Projections {
		p := &r.Projections[i]
		if p.Name != projection.Definition().Name || p.Generation == 0 {
			continue
		}
		err := clickhouse.Agree(ctx, pool, conn, projection, p.Generation)
		_, torn := errors.AsType[*clickhouse.TornError](err)
		refused, ok := errors.AsType[*driver.Exception](err)
		switch {
		case torn:
			p.State, p.Reason = stateTorn, err.Error()
		case ok && (refused.Code == unknownTable || refused.Code == unknownDatabase):
			p.State, p.Reason = stateMissing, `its tables are not in ClickHouse: "tributary migrate" makes them`
		case err != nil:
			return err
		}
	}
	return nil
}
