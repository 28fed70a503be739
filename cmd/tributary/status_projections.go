package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/quarantine"
	"github.com/tributary-ledger/tributary/projections/reactors"
	"github.com/tributary-ledger/tributary/projections/replay"
)

// projectionStatus is how one projection is; what is not known is null.
type projectionStatus struct {
	Name       string `json:"name"`
	Version    int    `json:"version"`
	Generation int32  `json:"generation"`
	Partitions int    `json:"partitions"`
	LagEvents  int64  `json:"lag_events"`
	// LagSeconds is the age of the last record that is in, of the partition that is furthest behind.
	LagSeconds *float64 `json:"lag_seconds"`
	// PerSecond is how fast it catches up, measured for a moment where it is behind.
	PerSecond *float64 `json:"events_per_second"`
	Members   *int     `json:"members"`
	State     string   `json:"state"`
	Reason    string   `json:"reason"`
	// Since is when it became stuck or stopped.
	Since *time.Time `json:"since"`
	// Projectors are the processes that have told of themselves, those that were heard last first.
	Projectors []projectorStatus `json:"projectors"`
}

// The states of a projection.
const (
	stateReady   = "ready"   // all is in
	stateBehind  = "behind"  // it gets on
	stateStuck   = "stuck"   // it should get on and does not
	stateStopped = "stopped" // no projector runs
	stateLost    = "lost"    // the log is not the one it was built from
	stateTorn    = "torn"    // its rows in ClickHouse are not those that Postgres knows of
	stateMissing = "missing" // it has no tables
	stateUnknown = "unknown" // Kafka cannot be asked, and no projector is heard
	stateOff     = "off"     // the server that it needs is not configured
)

// place is one row of progress.
type place struct {
	generation int32
	next       int64
	topicID    eventlog.TopicID
	recordedAt *time.Time
}

// places are how far each live projection is.
type places map[string]map[eventlog.TopicPartition]place

func (a *app) statusOfPostgres(ctx context.Context, report *statusReport) error {
	return a.withBooks(ctx, func(pool *pgxpool.Pool) error {
		counts, err := quarantine.Counts(ctx, pool)
		if err != nil {
			return err
		}
		released := int64(0)
		report.Quarantine = map[string]int64{}
		for _, c := range counts {
			report.Quarantine[c.Reason] = c.Records
			released += c.Released
		}
		report.Released = &released
		if err := pool.QueryRow(ctx, `SELECT count(*) FROM books.conflicts`).Scan(&report.Conflicts); err != nil {
			return fmt.Errorf("count the conflicts: %w", err)
		}
		if report.Replays, err = replay.UnderWay(ctx, pool, definitions()); err != nil {
			return err
		}
		if err := a.judgeProjections(ctx, pool, report); err != nil {
			return err
		}
		return report.Recovery.count(ctx, pool)
	})
}

// judgeProjections looks at the progress of all, and a moment later again where one is behind: to be behind is no fault, to
// stay there is.
func (a *app) judgeProjections(ctx context.Context, pool *pgxpool.Pool, report *statusReport) error {
	first, live, err := readPlaces(ctx, pool)
	if err != nil {
		return err
	}
	reports, err := postgres.ReadReports(ctx, pool)
	if err != nil {
		return err
	}
	started := time.Now()
	off := a.leftOut(projectionNames())
	report.hearGateways(reports[postgres.Gateway], started)
	report.judgeAll(live, first, reports, off, started)
	if report.seemsLost() { // Kafka was asked before: by now projections may be past what it had
		if report.Kafka, err = a.describeKafka(ctx); err != nil {
			return err
		}
		report.judgeAll(live, first, reports, off, started)
	}
	if !slices.ContainsFunc(report.Projections, func(p projectionStatus) bool { return p.State == stateBehind }) {
		return nil
	}
	const moment = time.Second
	timer := time.NewTimer(moment)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
	}
	second, _, err := readPlaces(ctx, pool)
	if err != nil {
		return err
	}
	for i := range report.Projections {
		report.Projections[i].pace(first, second, time.Since(started))
	}
	return nil
}

// judgeAll compares every projection's progress, and the recovery's, with the log.
func (r *statusReport) judgeAll(live map[string]int32, at places, reports map[string][]postgres.Report, off []string, now time.Time) {
	r.judgeRecovery(live, at[reactors.Name], reports[reactors.Name], now)
	r.Projections = r.Projections[:0]
	for _, definition := range definitions() {
		judged := r.judge(definition, live, at[definition.Name])
		if slices.Contains(off, judged.Name) {
			if judged.State == stateMissing {
				judged.State, judged.Reason = stateOff, ""
			}
			judged.Reason = strings.TrimPrefix(judged.Reason+"; "+leftOutReason, "; ")
		}
		judged.hear(reports[judged.Name], now)
		r.Projections = append(r.Projections, judged)
	}
}

// seemsLost tells whether a projection is past the log, as that was when it was described.
func (r *statusReport) seemsLost() bool {
	return r.Recovery.State == stateLost || slices.ContainsFunc(r.Projections, func(p projectionStatus) bool { return p.State == stateLost })
}

const placesQuery = `
	SELECT g.projection, g.generation, coalesce(p.topic, ''), coalesce(p."partition", 0), coalesce(p.next_offset, 0), p.topic_id, p.recorded_at
	FROM tributary.live l JOIN tributary.generations g USING (generation) LEFT JOIN tributary.progress p USING (generation)`

func readPlaces(ctx context.Context, pool *pgxpool.Pool) (places, map[string]int32, error) {
	rows, err := pool.Query(ctx, placesQuery)
	if err != nil {
		return nil, nil, fmt.Errorf("read the projections' progress: %w", err)
	}
	all, live := places{}, map[string]int32{}
	var name string
	var at eventlog.TopicPartition
	var row place
	var id *[16]byte
	_, err = pgx.ForEachRow(rows, []any{&name, &row.generation, &at.Topic, &at.Partition, &row.next, &id, &row.recordedAt}, func() error {
		live[name] = row.generation
		if id == nil {
			return nil // no partition yet
		}
		row.topicID = *id
		if all[name] == nil {
			all[name] = map[eventlog.TopicPartition]place{}
		}
		all[name][at] = row
		row.recordedAt = nil // the next row gets its own
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read the projections' progress: %w", err)
	}
	return all, live, nil
}

// judge compares a projection's progress with the log.
func (r *statusReport) judge(
	definition projections.Definition, live map[string]int32, at map[eventlog.TopicPartition]place,
) projectionStatus {
	p := projectionStatus{
		Name: definition.Name, Version: definition.Version, Generation: live[definition.Name], Partitions: len(at),
		Projectors: []projectorStatus{},
	}
	if p.Generation == 0 {
		p.State, p.Reason = stateMissing, `"tributary migrate" makes its tables`
		return p
	}
	if r.Kafka == nil {
		p.State, p.Reason = stateUnknown, "Kafka cannot be asked"
		return p
	}
	members := r.members[definition.Name]
	p.Members = &members
	err := p.compare(definition, r.Kafka, at)
	switch {
	case err != nil:
		p.State, p.Reason = stateLost, err.Error()
	case members == 0:
		p.State, p.Reason = stateStopped, fmt.Sprintf(`no projector runs: "tributary project %s"`, p.Name)
	case p.LagEvents > 0:
		p.State = stateBehind
	default:
		p.State = stateReady
	}
	return p
}

// compare sums the lag up; its error says that the log is another one.
func (p *projectionStatus) compare(
	definition projections.Definition, cluster *eventlog.Cluster, at map[eventlog.TopicPartition]place,
) error {
	var lost []error
	for _, topic := range cluster.Topics {
		if !slices.Contains(definition.Topics, topic.Name) {
			continue
		}
		for _, partition := range topic.Partitions {
			key := eventlog.TopicPartition{Topic: topic.Name, Partition: partition.Partition}
			row, known := at[key]
			if known && row.topicID.String() != topic.ID {
				lost = append(lost, &eventlog.LogLostError{TopicPartition: key, Cause: eventlog.ErrRecreated, Seen: "its id is another"})
				continue
			}
			if err := eventlog.CheckRange(key, row.next, partition.Start, partition.End); known && err != nil {
				lost = append(lost, err)
				continue
			}
			p.addLag(partition.End-max(row.next, partition.Start), row.recordedAt)
		}
	}
	if len(lost) > 0 {
		return lost[0] // the others say the same of other partitions
	}
	return nil
}

func (p *projectionStatus) addLag(lag int64, recordedAt *time.Time) {
	if lag <= 0 {
		return
	}
	p.LagEvents += lag
	if recordedAt == nil {
		return
	}
	seconds := max(time.Since(*recordedAt).Seconds(), 0)
	if p.LagSeconds == nil || *p.LagSeconds < seconds {
		p.LagSeconds = &seconds
	}
}

// pace tells from two looks whether a projection that is behind gets on.
func (p *projectionStatus) pace(first, second places, took time.Duration) {
	if p.State != stateBehind {
		return
	}
	var done int64
	for key, now := range second[p.Name] {
		done += now.next - first[p.Name][key].next
	}
	perSecond := float64(done) / took.Seconds()
	p.PerSecond = &perSecond
	switch {
	case done > 0:
		p.Reason = strings.TrimSuffix(fmt.Sprintf("catching up at %s/s; %s", count(int64(perSecond)), p.Reason), "; ")
	case len(p.Projectors) == 0: // they say nothing of themselves
		p.State, p.Reason = stateStuck, fmt.Sprintf("nothing was committed for %.0f s; its /readyz and log say why", took.Seconds())
	}
}

// countMembers asks for groups, given with the projection that each is for.
func countMembers(ctx context.Context, config eventlog.Config, groups map[string]string) (map[string]int, error) {
	const patience = 10 * time.Second
	client, err := eventlog.NewClient(config, kgo.RetryTimeout(patience))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var names []string
	for group := range groups {
		names = append(names, group)
	}
	described, err := backoff.Retry(ctx, func() (kadm.DescribedGroups, error) {
		return describeGroups(ctx, kadm.NewClient(client), names)
	}, backoff.WithMaxElapsedTime(patience))
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it was doing
	}
	counts := map[string]int{}
	for group, projection := range groups {
		counts[projection] = len(described[group].Members)
	}
	return counts, nil
}

// describeGroups fails for good but where brokers are still to say who coordinates a group. On a cluster that never had one
// they begin to find out when they are first asked.
func describeGroups(ctx context.Context, client *kadm.Client, names []string) (kadm.DescribedGroups, error) {
	described, err := client.DescribeGroups(ctx, names...)
	for _, name := range names {
		if group := described[name].Err; err == nil && !errors.Is(group, kerr.GroupIDNotFound) { // nobody ever joined it
			err = group
		}
	}
	for _, passing := range []error{kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress} {
		if errors.Is(err, passing) {
			return nil, err
		}
	}
	if err != nil {
		return nil, backoff.Permanent(err) //nolint:wrapcheck // the caller says what it was doing
	}
	return described, nil
}
