package peers

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// pipeline sends records without waiting for those before them. Each is a statement and a transaction of its own.
type pipeline struct {
	conn       *pgx.Conn
	line       *pgconn.Pipeline
	post, move *pgconn.StatementDescription
	underWay   int
}

// pipelineDepth is how many transactions are under way at most: enough that the server never waits, and little enough that neither side's
// buffers fill up.
const pipelineDepth = 64

func newPipeline(ctx context.Context, conn *pgx.Conn) (*pipeline, error) {
	post, err := conn.Prepare(ctx, "record", recordSQL())
	if err != nil {
		return nil, fmt.Errorf("prepare the transaction of a record: %w", err)
	}
	move, err := conn.Prepare(ctx, "move", move)
	if err != nil {
		return nil, fmt.Errorf("prepare the transaction of a record without postings: %w", err)
	}
	return &pipeline{conn: conn, line: conn.PgConn().StartPipeline(ctx), post: post, move: move}, nil
}

func (p *pipeline) apply(_ context.Context, after int64, record *eventlog.Record) error {
	statement, args := p.move, []any{record.Topic, record.Partition, after, record.Offset + 1}
	if posts := postArgs(record); posts != nil {
		statement, args = p.post, slices.Concat(posts, []any{after, record.Offset + 1})
	}
	var built pgx.ExtendedQueryBuilder
	if err := built.Build(p.conn.TypeMap(), statement, args); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	p.line.SendQueryPrepared(statement.Name, built.ParamValues, built.ParamFormats, built.ResultFormats)
	if err := p.line.Sync(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	p.underWay++
	if p.underWay < pipelineDepth {
		return nil
	}
	return p.receive(pipelineDepth / 2) //nolint:mnd // The server works on the other half meanwhile.
}

// receive waits for the outcomes of so many transactions.
func (p *pipeline) receive(n int) error {
	for n > 0 {
		result, err := p.line.GetResults()
		if err != nil {
			return fmt.Errorf("a transaction in the pipeline: %w", err)
		}
		switch result := result.(type) {
		case *pgconn.ResultReader:
			if _, err := result.Close(); err != nil {
				return fmt.Errorf("a transaction in the pipeline: %w", err)
			}
		case *pgconn.PipelineSync:
			n--
			p.underWay--
		}
	}
	return nil
}

func (p *pipeline) flush() error {
	if err := p.receive(p.underWay); err != nil {
		return err
	}
	if err := p.line.Close(); err != nil {
		return fmt.Errorf("end the pipeline: %w", err)
	}
	return nil
}
