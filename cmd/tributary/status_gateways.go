package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/reactors"
)

// gatewayStatus is what a gateway said last.
type gatewayStatus struct {
	Address string `json:"address"`
	Version string `json:"version"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	// State is ready, starting, stuck or silent.
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// Running is since when its process runs.
	Running time.Time `json:"running_since"`
	// HeardSeconds is how long ago it said so.
	HeardSeconds float64 `json:"heard_seconds_ago"`
}

const gatewayStarting = "starting"

// hearGateways keeps those that are heard, and those that fell silent not long ago, or that nobody stands in for.
func (r *statusReport) hearGateways(reports []postgres.Report, now time.Time) {
	r.Gateways = []gatewayStatus{}
	heard := false
	for i := range reports {
		said := projectorStatusOf(&reports[i], now)
		heard = heard || said.State != projectorSilent
		if said.State == projectorSilent && heard && reports[i].Silent > silentFor {
			continue
		}
		if said.State == postgres.ReportJoining {
			said.State, said.Reason = gatewayStarting, ""
		}
		r.Gateways = append(r.Gateways, gatewayStatus{
			Address: reports[i].Address, Version: reports[i].Version, Host: said.Host, PID: said.PID, State: said.State, Reason: said.Reason,
			Since: said.Since, Running: now.Add(-reports[i].Running), HeardSeconds: said.HeardSeconds,
		})
	}
}

func gatewayTable(all []gatewayStatus) *table {
	listed := newTable("GATEWAY", "VERSION", "RUNS SINCE", ">HEARD", "STATE")
	for i := range all {
		g := &all[i]
		heard := time.Duration(g.HeardSeconds * float64(time.Second)).Round(time.Second)
		listed.row(g.Address, g.Version, g.Running.UTC().Format("01-02 15:04Z"), heard.String()+" ago", g.State)
	}
	return listed
}

// gatewayReasons says why a gateway is not ready.
func (a *app) gatewayReasons(all []gatewayStatus) string {
	var out strings.Builder
	for i := range all {
		g := &all[i]
		switch {
		case g.State == projectorSilent:
			a.reason(&out, fmt.Sprintf("%s (%s, process %d): killed, paused, or cut off from Postgres", g.Address, g.Host, g.PID))
		case g.Reason != "":
			a.reason(&out, fmt.Sprintf("%s: since %s: %s", g.Address, g.Since.UTC().Format("2006-01-02 15:04:05Z"), g.Reason))
		}
	}
	return out.String()
}

// recoveryStatus is how far gateways are with finishing payments that they, or others, left under way.
type recoveryStatus struct {
	State      string   `json:"state"`
	Reason     string   `json:"reason"`
	LagEvents  int64    `json:"lag_events"`
	LagSeconds *float64 `json:"lag_seconds"`
	// UnderWay are intents without an outcome; those that the recovery had to look after are overdue.
	UnderWay int64 `json:"under_way"`
	Overdue  int64 `json:"overdue"`
}

func recoveryDefinition() projections.Definition { return reactors.NewTasks(0).Definition() }

// judgeRecovery compares its reading with the log. That nobody does it is no fault where there is nothing to do.
func (r *statusReport) judgeRecovery(
	live map[string]int32, at map[eventlog.TopicPartition]place, reports []postgres.Report, now time.Time,
) {
	p := r.judge(recoveryDefinition(), live, at)
	switch p.State {
	case stateStopped:
		p.Reason = "no gateway runs that has a payment provider"
	case stateReady, stateBehind:
		var stuck []projectorStatus
		for i := range reports {
			said := projectorStatusOf(&reports[i], now)
			p.Projectors = append(p.Projectors, said)
			if said.State == postgres.ReportStuck || said.State == postgres.ReportJoining {
				stuck = append(stuck, said)
			}
		}
		p.hearStuck(stuck, now)
	}
	r.Recovery = &recoveryStatus{State: p.State, Reason: p.Reason, LagEvents: p.LagEvents, LagSeconds: p.LagSeconds}
}

// count asks what is under way.
func (s *recoveryStatus) count(ctx context.Context, pool *pgxpool.Pool) error {
	if s.State == stateMissing {
		return nil
	}
	err := pool.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE tries > 0) FROM recovery.tasks
		WHERE generation = (SELECT tributary.shown($1))`, reactors.Name).Scan(&s.UnderWay, &s.Overdue)
	if err != nil {
		return fmt.Errorf("count the payments under way: %w", err)
	}
	return nil
}

// String is for people; empty where there is nothing to tell.
func (s *recoveryStatus) String() string {
	if s == nil || s.State == stateMissing || s.State == stateStopped && s.UnderWay == 0 {
		return ""
	}
	told := "no payment is under way"
	if s.UnderWay > 0 {
		told = fmt.Sprintf("payments under way: %s, of which overdue: %s", count(s.UnderWay), count(s.Overdue))
	}
	switch {
	case s.State == stateBehind:
		told += fmt.Sprintf("; behind: %s events", count(s.LagEvents))
	case s.Reason != "":
		told += "; " + s.State + ": " + s.Reason
	}
	return told
}
