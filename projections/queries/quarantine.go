package queries

import (
	"context"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/quarantine"
)

// Quarantine is a page of records that were refused.
type Quarantine struct {
	Records []Quarantined `json:"records"`
	Next    string        `json:"next,omitempty" doc:"The cursor of the next page; left out on the last."`
}

// Quarantined is a record of the log that is no valid event, without its content.
type Quarantined struct {
	Position     string     `json:"position" example:"payments/3@1042" doc:"Where the record lies in the log."`
	Reason       string     `json:"reason" example:"bad_amount" doc:"The code of the rule that it breaks."`
	Path         string     `json:"path" example:"data.amount.value" doc:"The field at fault."`
	Message      string     `json:"message" example:"\"1.5\" is not an integer"`
	EventID      *string    `json:"event_id,omitempty" example:"0195a3c8-7f00-7cc1-a4cb-3f2b9d3c1e55" doc:"The id that the record claims, where it can be read."`
	RecordedAt   time.Time  `json:"recorded_at" example:"2026-03-01T12:00:01Z"`
	ReleasedAt   *time.Time `json:"released_at,omitempty" example:"2026-03-02T08:00:00Z" doc:"When it was published again."`
	ReleasedBy   *string    `json:"released_by,omitempty" example:"ops"`
	ReleasedAs   *string    `json:"released_as,omitempty" example:"payments/3@2001" doc:"Where it lies now."`
	PayloadBytes int64      `json:"payload_bytes" example:"312"`
}

type quarantineInput struct {
	After
	Page

	Reason string `query:"reason" maxLength:"64" example:"bad_amount" doc:"Only this reason."`
	Topic  string `query:"topic" enum:"payments,receivers,monetization" doc:"Only this topic."`
}

func (q *Queries) registerQuarantine(api huma.API) {
	huma.Register(api, operation("list-quarantine", "/v1/quarantine", web.ScopeQuarantineRead, "What was refused, and why",
		"Records of the log that are no valid events, the latest first. A key that is confined to merchants or sites sees none, "+
			"and nobody those whose ledger cannot be read: `tributary quarantine` shows all."), q.listQuarantine)
}

func (q *Queries) listQuarantine(ctx context.Context, in *quarantineInput) (*body[Quarantine], error) {
	positions, err := in.positions()
	if err != nil {
		return nil, err
	}
	caller := web.Caller(ctx)
	filter := quarantine.Filter{Ledger: caller.Ledger, Reason: in.Reason, Limit: in.Limit + 1}
	for _, topic := range eventlog.Topics() {
		if in.Topic != "" && strings.HasSuffix(topic, "."+in.Topic) {
			filter.Topic = topic
		}
	}
	after, err := in.after()
	switch {
	case err != nil:
		return nil, err
	case !isText(in.Reason):
		return nil, invalid("query.reason", "it is not a text")
	case after != nil:
		filter.After = &quarantine.Summary{
			RecordedAt: after.At, Topic: after.Topic, Partition: after.Partition, KafkaOffset: after.Offset,
		}
	}
	if len(caller.Owners) > 0 {
		return &body[Quarantine]{Quarantine{Records: []Quarantined{}}}, nil
	}
	rows, err := ask(ctx, q, ofQuarantine, positions, func(ctx context.Context, s *store) ([]quarantine.Summary, error) {
		return quarantine.List(ctx, s.pool, filter)
	})
	if err != nil {
		return nil, err
	}
	rows, next := cut(rows, in.Limit, func(r *quarantine.Summary) place {
		return place{At: r.RecordedAt, Topic: r.Topic, Partition: r.Partition, Offset: r.KafkaOffset}
	})
	shown := Quarantine{make([]Quarantined, len(rows)), next}
	for i := range rows {
		r := &rows[i]
		shown.Records[i] = Quarantined{
			Position: r.Position().String(), Reason: r.Reason, Path: r.Path, Message: r.Message, EventID: r.EventID, RecordedAt: r.RecordedAt,
			ReleasedAt: r.ReleasedAt, ReleasedBy: r.ReleasedBy, ReleasedAs: r.ReleasedAs, PayloadBytes: r.PayloadBytes,
		}
	}
	return &body[Quarantine]{shown}, nil
}
