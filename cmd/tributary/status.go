package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/replay"
)

func newStatusCommand(a *app) *cobra.Command {
	command := &cobra.Command{
		Use:   "status",
		Short: "Show brokers, topics, projections and their lag, and what is stuck and why",
		Long: `Shows where everything is, and what is stuck, why, and since when: projectors and gateways tell of themselves every few
seconds, so this says what only their processes know, and which of them has fallen silent. The exit code is 1 where topics
are set so that events can be lost, or where the log is no longer the one that a projection was built from, or where Postgres
and ClickHouse are not of one time; 3 where a server cannot be reached (what the other one says is shown all the same).`,
		Example: `  tributary status
  tributary status --json | jq '.projections[] | {name, lag_events, state}'`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: noCompletion,
		RunE:              func(command *cobra.Command, _ []string) error { return a.status(command.Context()) },
	}
	a.jsonFlag(command, `an object of kafka (id, brokers, topics), clickhouse (address, version, parts, rows, bytes), problems
(severity, topic, setting, found, want, danger, fix),
projections (name, version, generation, partitions, lag_events, lag_seconds, events_per_second, members, state, reason,
since (when it became stuck or stopped), projectors: host, pid, partitions, state, reason, since, heard_seconds_ago),
gateways (address, version, host, pid, state, reason, since, running_since, heard_seconds_ago),
recovery (of payments that gateways left under way: state, reason, lag_events, lag_seconds, under_way, overdue),
quarantine (a number for each reason), quarantine_released (how many of those), conflicts,
replays (who builds, swaps or drops generations right now, by projection: who, address, since, pid),
unreachable (a sentence for each server); what is not known is null`)
	return command
}

// statusReport is what status shows, as --json prints it.
type statusReport struct {
	Kafka       *eventlog.Cluster  `json:"kafka"`
	ClickHouse  *clickhouseStatus  `json:"clickhouse"`
	Problems    []eventlog.Problem `json:"problems"`
	Projections []projectionStatus `json:"projections"`
	Gateways    []gatewayStatus    `json:"gateways"`
	Recovery    *recoveryStatus    `json:"recovery"`
	Quarantine  map[string]int64   `json:"quarantine"`
	Released    *int64             `json:"quarantine_released"`
	Conflicts   *int64             `json:"conflicts"`
	// Replays are whoever builds, swaps or drops generations right now, by projection.
	Replays     map[string]replay.Holder `json:"replays"`
	Unreachable []string                 `json:"unreachable"`

	members map[string]int // of each projection's group
}

func (a *app) status(ctx context.Context) error {
	report := statusReport{Problems: []eventlog.Problem{}, Projections: []projectionStatus{}, Unreachable: []string{}}
	kafkaErr := a.statusOfKafka(ctx, &report)
	postgresErr := a.statusOfPostgres(ctx, &report)
	var last error
	for _, err := range []error{kafkaErr, a.statusOfClickHouse(ctx, &report), postgresErr, a.statusOfStores(ctx, &report)} {
		var unreachable unreachableError
		switch err = a.unreachable(err); {
		case err == nil:
		case errors.As(err, &unreachable):
			report.Unreachable = append(report.Unreachable, err.Error())
			last = err
		default:
			return err
		}
	}
	if last != nil && len(report.Projections) == 0 {
		report.standStill(a.unreachable(postgresErr))
	}
	if err := a.printStatus(&report); err != nil {
		return err
	}
	for i := range len(report.Unreachable) - 1 { // the last is told as the error that this ends with
		a.notef("tributary: %s", report.Unreachable[i])
	}
	return report.verdict(last)
}

// verdict is the error, if any, with which status ends.
func (r *statusReport) verdict(unreachable error) error {
	if unreachable != nil {
		return unreachable
	}
	if fatal := eventlog.Fatal(r.Problems); len(fatal) > 0 {
		return fmt.Errorf("%d settings of the ledger's topics can lose events: mend them now, as told above", len(fatal))
	}
	for i := range r.Projections {
		if state := r.Projections[i].State; state == stateLost || state == stateTorn {
			return fmt.Errorf("%s: %s", r.Projections[i].Name, r.Projections[i].Reason)
		}
	}
	return nil
}

func (a *app) statusOfKafka(ctx context.Context, report *statusReport) error {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return err
	}
	defer admin.Close()
	if report.Kafka, err = admin.Describe(ctx); err != nil {
		return err
	}
	problems, err := admin.Check(ctx)
	if err != nil {
		return err
	}
	report.Problems = notNil(problems)
	report.members, err = a.groupMembers(ctx)
	return err
}

// describeKafka asks Kafka how its log is now.
func (a *app) describeKafka(ctx context.Context) (*eventlog.Cluster, error) {
	admin, err := a.openKafka(ctx)
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return admin.Describe(ctx)
}

// groupMembers is how many projectors each projection has.
func (a *app) groupMembers(ctx context.Context) (map[string]int, error) {
	config, err := a.kafka(a.logger(slog.LevelError))
	if err != nil {
		return nil, err
	}
	groups := map[string]string{}
	for _, definition := range append(definitions(), recoveryDefinition()) {
		groups[definition.Group()] = definition.Name
	}
	counts, err := countMembers(ctx, config, groups)
	if err != nil {
		return nil, fmt.Errorf("ask for the projectors' groups: %w", err)
	}
	return counts, nil
}

func (a *app) printStatus(report *statusReport) error {
	if a.asJSON {
		return a.printJSON(report)
	}
	if err := a.printf("%s", servedBy(report)); err != nil {
		return err
	}
	if len(report.Projections) > 0 {
		reasons := a.stateReasons(report.Projections)
		if err := a.printf("%s%s\n", projectionTable(report.Projections), reasons); err != nil {
			return err
		}
	}
	if len(report.Gateways) > 0 {
		if err := a.printf("%s%s\n", gatewayTable(report.Gateways), a.gatewayReasons(report.Gateways)); err != nil {
			return err
		}
	}
	if err := a.printCounts(report); err != nil {
		return err
	}
	a.warnOfProblems(report.Problems)
	return nil
}

// printCounts says what each of the rest comes to, in a line.
func (a *app) printCounts(report *statusReport) error {
	if report.Quarantine != nil {
		counts := map[string]int{}
		for reason, n := range report.Quarantine {
			counts[reason] = int(n)
		}
		if err := a.printf("quarantine  %s\n", sumCounts(counts, *report.Released)); err != nil {
			return err
		}
	}
	if report.Conflicts != nil {
		if err := a.printf("conflicts   %s\n", count(*report.Conflicts)); err != nil {
			return err
		}
	}
	if told := report.Recovery.String(); told != "" {
		if err := a.printf("recovery    %s\n", told); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(report.Replays)) {
		if err := a.printf("%s\n", atWork(name, report.Replays[name])); err != nil {
			return err
		}
	}
	return nil
}

// servedBy is what is known of Kafka and ClickHouse.
func servedBy(report *statusReport) string {
	var out strings.Builder
	if report.Kafka != nil {
		fmt.Fprintf(&out, "brokers     %s\n", brokerList(report.Kafka))
	}
	if report.ClickHouse != nil {
		fmt.Fprintf(&out, "clickhouse  %s\n", report.ClickHouse)
	}
	if report.Kafka != nil {
		fmt.Fprintf(&out, "\n%s\n", topicTable(report.Kafka))
	}
	return out.String()
}

func brokerList(cluster *eventlog.Cluster) string {
	addresses := make([]string, len(cluster.Brokers))
	for i, broker := range cluster.Brokers {
		addresses[i] = broker.Address
	}
	return strings.Join(addresses, "  ")
}

func topicTable(cluster *eventlog.Cluster) *table {
	listed := newTable("TOPIC", ">PARTITIONS", ">RECORDS", ">IN SYNC")
	for _, topic := range cluster.Topics {
		if topic.Missing {
			listed.row(topic.Name, "missing")
			continue
		}
		var records int64
		replicas, inSync := 0, 0
		for _, p := range topic.Partitions {
			records, replicas, inSync = records+p.End-p.Start, replicas+p.Replicas, inSync+p.InSync
		}
		listed.row(topic.Name, strconv.Itoa(len(topic.Partitions)), count(records), fmt.Sprintf("%d of %d", inSync, replicas))
	}
	return listed
}

// standStill tells of all projections where Postgres cannot be asked: it has the offsets of all.
func (r *statusReport) standStill(err error) {
	if _, away := errors.AsType[unreachableError](err); !away {
		return
	}
	for _, definition := range definitions() {
		p := projectionStatus{Name: definition.Name, Version: definition.Version, State: stateStuck, Projectors: []projectorStatus{}}
		p.Reason = "Postgres does not answer, and has the offsets of all projections: none goes on until it is back, and then by itself"
		if r.Kafka != nil {
			members := r.members[p.Name]
			p.Members = &members
		}
		r.Projections = append(r.Projections, p)
	}
}

// stateReasons says why a projection is not simply ready, and since when; what is true of several is said once.
func (a *app) stateReasons(all []projectionStatus) string {
	var out strings.Builder
	for i := 0; i < len(all); i++ {
		if all[i].Reason == "" {
			continue
		}
		names := []string{all[i].Name}
		for ; i+1 < len(all) && all[i+1].Reason == all[i].Reason && all[i].Since == all[i+1].Since; i++ {
			names = append(names, all[i+1].Name)
		}
		a.reason(&out, strings.Join(names, ", ")+": "+all[i].lasting()+all[i].Reason)
	}
	return out.String()
}

// reason is a paragraph on a terminal, and a line elsewhere.
func (a *app) reason(out *strings.Builder, text string) {
	text = printable(text)
	if !isTerminal(a.stdout) {
		fmt.Fprintf(out, "  %s\n", text)
		return
	}
	const indent = 4
	for i, line := range fill(strings.Fields(text), a.width()-indent) {
		fmt.Fprintf(out, "%s%s\n", strings.Repeat(" ", min(2+2*i, indent)), line)
	}
}

// lasting says since when it is stuck.
func (p *projectionStatus) lasting() string {
	if p.Since == nil {
		return ""
	}
	return fmt.Sprintf("since %s (%s): ", p.Since.Format("2006-01-02 15:04:05Z"), time.Since(*p.Since).Round(time.Second))
}

func projectionTable(all []projectionStatus) *table {
	listed := newTable("PROJECTION", ">GENERATION", ">PROJECTORS", ">BEHIND", ">BY", "STATE")
	for i := range all {
		p := &all[i]
		by, projectors, generation := "–", "?", "?"
		if p.Generation > 0 {
			generation = strconv.Itoa(int(p.Generation))
		}
		if p.LagSeconds != nil && p.LagEvents > 0 {
			by = time.Duration(*p.LagSeconds * float64(time.Second)).Round(time.Second).String()
		}
		if p.Members != nil {
			projectors = strconv.Itoa(*p.Members)
		}
		behind := count(p.LagEvents)
		if p.Generation == 0 || p.State == stateUnknown {
			behind = "?"
		}
		listed.row(p.Name, generation, projectors, behind, by, p.State)
	}
	return listed
}
