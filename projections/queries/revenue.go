package queries

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/revenue"
)

// Revenue is what came in, for each period in which something did.
type Revenue struct {
	By   string       `json:"by" example:"month" enum:"hour,day,month,day_of_week,day_of_year"`
	TZ   string       `json:"tz" example:"Europe/Paris" doc:"The time zone in which the periods begin."`
	Rows []RevenueRow `json:"rows" doc:"The earliest first; each asset by itself: currencies are never added together."`
}

// RevenueRow is the revenue of a period in one asset; of the fields that name the period there are those of by. Decimals.
type RevenueRow struct {
	Hour      *time.Time `json:"hour,omitempty" example:"2026-03-01T13:00:00+01:00" doc:"When it began."`
	Day       string     `json:"day,omitempty" format:"date" example:"2026-03-01"`
	Year      int        `json:"year,omitempty" example:"2026"`
	Month     int        `json:"month,omitempty" example:"3" doc:"From 1."`
	DayOfWeek int        `json:"day_of_week,omitempty" example:"1" doc:"1 is Monday."`
	DayOfYear int        `json:"day_of_year,omitempty" example:"60" doc:"From 1."`
	AssetCode string     `json:"asset_code" example:"EUR"`
	Gross     string     `json:"gross" example:"1204.5"`
	Refunds   string     `json:"refunds" example:"20"`
	Fees      string     `json:"fees" example:"12.05"`
	Net       string     `json:"net" example:"1172.45" doc:"Gross less refunds less fees."`
	Events    int64      `json:"events" example:"311"`
}

type revenueInput struct {
	After

	By        string `query:"by" enum:"hour,day,month,day_of_week,day_of_year" default:"month" doc:"The periods. Hours are told of a year, or of 366 days, at most."`
	Stream    string `query:"stream" enum:"payments,receivers,monetization" doc:"Only this stream."`
	Owner     string `query:"owner" maxLength:"64" example:"acme" doc:"Only this merchant's or site's; without it all that the key is for, together."`
	Pointer   string `query:"pointer" maxLength:"1024" doc:"Only what came by this provider, chain or payment pointer."`
	PostID    string `query:"post_id" maxLength:"1024" example:"hello-world" doc:"Only this post's."`
	AssetCode string `query:"asset_code" maxLength:"12" example:"EUR" doc:"Only this asset."`
	Year      int    `query:"year" minimum:"1970" maximum:"2105" example:"2026" doc:"Only this year, in tz."`
	From      string `query:"from" example:"2026-03-01" doc:"From this day on, in tz."`
	To        string `query:"to" example:"2026-03-31" doc:"Up to this day, which is included."`
	TZ        string `query:"tz" default:"UTC" example:"Europe/Paris" doc:"The time zone in which the periods begin."`
	KnownAt   string `query:"known_at" example:"2026-04-01" doc:"Only what was in the log by then: a day's start in tz, or a time."`
}

func (q *Queries) registerRevenue(api huma.API) {
	huma.Register(api, operation("get-revenue", "/v1/revenue", web.ScopeRevenueRead, "Revenue by period",
		"Gross, refunds, fees and net for each period in which there was something, in any time zone."), q.getRevenue)
}

func (q *Queries) getRevenue(ctx context.Context, in *revenueInput) (*body[Revenue], error) {
	positions, err := in.positions()
	if err != nil {
		return nil, err
	}
	question, zone, err := in.question()
	if err != nil {
		return nil, err
	}
	if q.clickhouse == nil {
		return nil, web.NewProblem(http.StatusServiceUnavailable, web.CodeUnavailable, "there is no revenue here: no ClickHouse is configured")
	}
	caller := web.Caller(ctx)
	question.Ledger, question.Owners = caller.Ledger, caller.Owners
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	if len(positions) > 0 {
		if _, err := q.pastAll(ctx, ofRevenue, positions, nil); err != nil {
			return nil, err
		}
	}
	rows, err := revenue.List(ctx, q.clickhouse, question)
	if err != nil {
		return nil, q.problem(ofRevenue, untellable(err))
	}
	shown := Revenue{By: in.By, TZ: in.TZ, Rows: make([]RevenueRow, len(rows))}
	for i, r := range rows {
		shown.Rows[i] = RevenueRow(r)
		if r.Hour != nil {
			shown.Rows[i].Hour = new(r.Hour.In(zone))
		}
	}
	return &body[Revenue]{shown}, nil
}

// question is what the projection is asked.
func (in *revenueInput) question() (revenue.Query, *time.Location, error) {
	question := revenue.Query{
		Stream: in.Stream, Owner: in.Owner, Pointer: in.Pointer, PostID: in.PostID, Asset: in.AssetCode, By: revenue.By(in.By),
		Year: in.Year, From: in.From, To: in.To, TZ: in.TZ,
	}
	for path, text := range map[string]string{
		"query.owner": in.Owner, "query.pointer": in.Pointer, "query.post_id": in.PostID, "query.asset_code": in.AssetCode,
	} {
		if !isText(text) {
			return question, nil, invalid(path, "it is not a text")
		}
	}
	zone, err := zoneOf(in.TZ)
	if err != nil {
		return question, nil, err
	}
	if question.KnownAt, err = instant("query.known_at", in.KnownAt, zone); err != nil {
		return question, nil, err
	}
	return question, zone, in.checkDays()
}

func (in *revenueInput) checkDays() error {
	from, to := time.Time{}, time.Time{}
	for _, day := range []struct {
		path, text string
		at         *time.Time
	}{{"query.from", in.From, &from}, {"query.to", in.To, &to}} {
		if day.text == "" {
			continue
		}
		var err error
		if *day.at, err = time.Parse(time.DateOnly, day.text); err != nil {
			return invalid(day.path, "want a day such as 2026-03-01")
		}
	}
	const most = 366 * 24 * time.Hour
	switch {
	case in.From != "" && in.To != "" && to.Before(from):
		return invalid("query.to", "it is before from")
	case revenue.By(in.By) == revenue.ByHour && in.Year == 0 && (in.From == "" || in.To == "" || to.Sub(from) >= most):
		return invalid("query.by", "hours are told of a year, or of 366 days from one to another: say which")
	}
	return nil
}

// untellable makes a problem of the refusal of a view: of times of which ClickHouse does not know a zone's clocks.
func untellable(err error) error {
	const thrown = 395
	refused, ok := errors.AsType[*clickhouse.Exception](err)
	if !ok || refused.Code != thrown {
		return err
	}
	message, _, _ := strings.Cut(refused.Message, ": while executing")
	return invalid("query.tz", message)
}
