package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Gateway is what a gateway reports as, where a projector names its projection.
const Gateway = "gateway"

// Report is what a projector's or a gateway's process says of itself, so that others see what it alone knows, and see when it falls silent.
type Report struct {
	Projection string
	Process    uuid.UUID
	Host       string
	PID        int
	// Address is where a gateway serves.
	Address string
	Version string
	// Running is since when the process does.
	Running    time.Duration
	Partitions int
	State      string
	// Reason is why the state is not ReportReady.
	Reason string
	// Lasted is since when the state has been this one, or longer where the process reported less often.
	Lasted time.Duration
	// Silent is for how long nothing was heard of the process. Both times are the server's, whatever the hosts' clocks say.
	Silent time.Duration
}

// The states of a report.
const (
	ReportReady   = "ready"
	ReportJoining = "joining" // not yet a member of its group
	ReportStuck   = "stuck"
	ReportStopped = "stopped" // a bug ended it; the row is its last word
)

const (
	reportSQL = `
		INSERT INTO tributary.reports (
			projection, process, host, pid, partitions, state, reason, since, reported_at, address, version, started_at)
		SELECT projection, $2, $3, $4, partitions, state, reason, now() - lasted, now(), $9, $10, now() - $11::interval
		FROM unnest($1::text[], $5::int4[], $6::text[], $7::text[], $8::interval[]) u(projection, partitions, state, reason, lasted)
		ON CONFLICT (projection, process) DO UPDATE SET partitions = excluded.partitions, state = excluded.state,
			reason = excluded.reason, since = excluded.since, reported_at = excluded.reported_at`
	// replaceSQL drops what those said whose place this process takes: the last words of who ended, and who was silent for long.
	replaceSQL = `
		DELETE FROM tributary.reports WHERE projection = ANY($1) AND process <> $2
			AND (state = 'stopped' OR reported_at < now() - $3::interval OR host = $4 AND pid = $5)`
	withdrawSQL = `DELETE FROM tributary.reports WHERE process = $1 AND state <> 'stopped'`
)

// forgetAfter is how long a silent process is told of, once another one reports.
const forgetAfter = time.Hour

// WriteReports says how what runs in one process is. The first of them forgets those whose place it takes.
func WriteReports(ctx context.Context, conn *pgx.Conn, reports []Report, first bool) error {
	if len(reports) == 0 {
		return nil
	}
	n := len(reports)
	names, partitions, lasted := make([]string, n), make([]int32, n), make([]time.Duration, n)
	states, reasons := make([]string, n), make([]string, n)
	for i := range reports {
		r := &reports[i]
		names[i], partitions[i], lasted[i] = r.Projection, int32(r.Partitions), r.Lasted //nolint:gosec // Kafka's are int32.
		states[i], reasons[i] = r.State, r.Reason
	}
	of := reports[0]
	if first {
		if _, err := conn.Exec(ctx, replaceSQL, names, of.Process, forgetAfter, of.Host, of.PID); err != nil {
			return fmt.Errorf("forget reports: %w", explain(err))
		}
	}
	_, err := conn.Exec(ctx, reportSQL, names, of.Process, of.Host, of.PID, partitions, states, reasons, lasted,
		of.Address, of.Version, of.Running)
	if err != nil {
		return fmt.Errorf("write reports: %w", explain(err))
	}
	return nil
}

// WithdrawReports forgets a process that ends in order, but for the last words of projectors that a bug has stopped.
func WithdrawReports(ctx context.Context, conn *pgx.Conn, process uuid.UUID) error {
	if _, err := conn.Exec(ctx, withdrawSQL, process); err != nil {
		return fmt.Errorf("withdraw reports: %w", explain(err))
	}
	return nil
}

// ReadReports are all reports by their projection, those that were heard last first.
func ReadReports(ctx context.Context, pool *pgxpool.Pool) (map[string][]Report, error) {
	rows, err := pool.Query(ctx, `
		SELECT projection, process, host, pid, partitions, state, reason, address, version,
			greatest(now() - since, '0'), greatest(now() - reported_at, '0'), greatest(now() - started_at, '0')
		FROM tributary.reports ORDER BY projection, reported_at DESC, host, pid`)
	if err != nil {
		return nil, fmt.Errorf("read the reports: %w", explain(err))
	}
	all := map[string][]Report{}
	var r Report
	columns := []any{
		&r.Projection, &r.Process, &r.Host, &r.PID, &r.Partitions, &r.State, &r.Reason, &r.Address, &r.Version, &r.Lasted, &r.Silent, &r.Running,
	}
	_, err = pgx.ForEachRow(rows, columns, func() error {
		all[r.Projection] = append(all[r.Projection], r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the projectors' reports: %w", explain(err))
	}
	return all, nil
}
