package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/tributary-ledger/tributary/projections/postgres"
)

const (
	// silentAfter is how long a process may say nothing, which it does every reportEvery, until it is taken to be paused, dead or cut off.
	silentAfter = 15 * time.Second
	// passing is how long a failure, or a way into the group, may last and not be told as stuck: tries are repeated, and mostly help.
	passing, joiningFor = 3 * time.Second, 30 * time.Second
	// silentFor is how long a silent copy is told of where others work.
	silentFor = time.Hour
)

// projectorStatus is what a projector's process said last.
type projectorStatus struct {
	Host       string `json:"host"`
	PID        int    `json:"pid"`
	Partitions int    `json:"partitions"`
	// State is ready, joining, stuck, stopped (by a bug) or silent.
	State  string    `json:"state"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	// HeardSeconds is how long ago it said so.
	HeardSeconds float64 `json:"heard_seconds_ago"`
}

const projectorSilent = "silent"

func (s *projectorStatus) name() string { return fmt.Sprintf("%s, process %d", s.Host, s.PID) }

func (s *projectorStatus) heardAgo() time.Duration {
	return time.Duration(s.HeardSeconds * float64(time.Second)).Round(time.Second)
}

func projectorStatusOf(report *postgres.Report, now time.Time) projectorStatus {
	s := projectorStatus{
		Host: report.Host, PID: report.PID, Partitions: report.Partitions, State: report.State, Reason: report.Reason,
		Since: now.Add(-report.Lasted), HeardSeconds: report.Silent.Seconds(),
	}
	if report.Silent > silentAfter && report.State != postgres.ReportStopped {
		s.State, s.Since = projectorSilent, now.Add(-report.Silent)
		s.Partitions = 0 // others have them by now
	}
	return s
}

// hear adds what the projection's processes say to what is known from Kafka and the offsets.
func (p *projectionStatus) hear(reports []postgres.Report, now time.Time) {
	heard := map[string][]projectorStatus{}
	for i := range reports {
		s := projectorStatusOf(&reports[i], now)
		p.Projectors = append(p.Projectors, s)
		heard[s.State] = append(heard[s.State], s)
	}
	working := len(heard[postgres.ReportReady]) + len(heard[postgres.ReportStuck]) + len(heard[postgres.ReportJoining])
	switch {
	case p.State == stateLost || p.State == stateMissing || p.State == stateOff:
	case working == 0 && len(reports) > 0:
		p.nobodyHeard(&p.Projectors[0])
	case working > 0:
		p.hearStuck(append(heard[postgres.ReportStuck], heard[postgres.ReportJoining]...), now)
		p.hearSilence(heard[projectorSilent])
	}
}

// nobodyHeard is for when the last one that was heard is silent, or was stopped.
func (p *projectionStatus) nobodyHeard(last *projectorStatus) {
	p.since(last.Since)
	if p.Members != nil && *p.Members > 0 && last.State == projectorSilent {
		p.State = stateStuck
		p.Reason = fmt.Sprintf("its projector (%s) was last heard %s ago: paused, dead, or cut off from Postgres", last.name(), last.heardAgo())
		return
	}
	p.State = stateStopped
	how := fmt.Sprintf("was last heard %s ago (killed, paused, or cut off from Postgres)", last.heardAgo())
	if last.State == postgres.ReportStopped {
		how = "stopped with: " + last.Reason
	}
	p.Reason = fmt.Sprintf(`no projector runs: "tributary project %s"; the last one (%s) %s`, p.Name, last.name(), how)
}

// hearStuck finds the projector that has been stuck for the longest: where one is, its partitions stand still, whatever the others do.
func (p *projectionStatus) hearStuck(stuck []projectorStatus, now time.Time) {
	var worst *projectorStatus
	for i := range stuck {
		s := &stuck[i]
		bearable := passing
		if s.State == postgres.ReportJoining {
			bearable = joiningFor
		}
		if now.Sub(s.Since) > bearable && (worst == nil || s.Since.Before(worst.Since)) {
			worst = s
		}
	}
	if worst == nil {
		return
	}
	p.State, p.Reason = stateStuck, worst.Reason
	if len(p.Projectors) > 1 {
		p.Reason = fmt.Sprintf("%s: %s", worst.name(), worst.Reason)
	}
	p.since(worst.Since)
}

// hearSilence tells of copies that others stand in for.
func (p *projectionStatus) hearSilence(silent []projectorStatus) {
	for i := range silent {
		if s := &silent[i]; s.heardAgo() < silentFor {
			p.Reason = strings.TrimPrefix(fmt.Sprintf("%s; a copy (%s) was last heard %s ago", p.Reason, s.name(), s.heardAgo()), "; ")
		}
	}
}

func (p *projectionStatus) since(moment time.Time) {
	moment = moment.UTC().Round(time.Second)
	p.Since = &moment
}
