package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// Severity says how bad a problem is.
type Severity string

const (
	// SeverityFatal means that events can be lost: nothing should go on.
	SeverityFatal Severity = "fatal"
	// SeverityWarning means that something is weaker than it should be, or will be refused.
	SeverityWarning Severity = "warning"
)

// What a problem may be about besides Kafka's settings.
const (
	wholeTopic     = "topic"
	inSyncReplicas = "in-sync replicas"
	logStart       = "log start of partition "
)

// Problem is a topic's setting that is not as the ledger needs it.
type Problem struct {
	Severity Severity `json:"severity"`
	Topic    string   `json:"topic"`
	// Setting is Kafka's name of it, or "topic", "replication", "in-sync replicas", "log start of partition 3".
	Setting string `json:"setting"`
	Found   string `json:"found"`
	Want    string `json:"want"`
	// Danger is what can happen.
	Danger string `json:"danger"`
	// Fix is the command to type.
	Fix string `json:"fix"`
}

// String is the problem on one line.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s is %s, must be %s: %s; fix: %s", p.Topic, p.Setting, p.Found, p.Want, p.Danger, p.Fix)
}

// Fatal are those of the problems by which events can be lost.
func Fatal(problems []Problem) []Problem {
	var fatal []Problem
	for _, problem := range problems {
		if problem.Severity == SeverityFatal {
			fatal = append(fatal, problem)
		}
	}
	return fatal
}

// Incomplete are those of the problems by which a topic's events were deleted, or will be: nothing can be rebuilt from it. Of all
// topics when none is named.
func Incomplete(problems []Problem, topics []string) []Problem {
	var found []Problem
	for _, problem := range problems {
		if len(topics) > 0 && !slices.Contains(topics, problem.Topic) {
			continue
		}
		switch setting := problem.Setting; {
		case setting == wholeTopic, setting == "cleanup.policy", setting == "retention.ms", setting == "retention.bytes",
			strings.HasPrefix(setting, logStart):
			found = append(found, problem)
		}
	}
	return found
}

// ProblemsError refuses topics that could lose events.
type ProblemsError struct {
	Problems []Problem
}

// Error lists each problem with its fix, a line each.
func (e *ProblemsError) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	lines = append(lines, "topics of the ledger can lose events; nothing was changed:")
	for _, problem := range e.Problems {
		lines = append(lines, "  "+problem.String())
	}
	return strings.Join(lines, "\n")
}

// Check compares the topics with what the ledger needs, and changes nothing. A topic that is not there is a warning.
func (a *Admin) Check(ctx context.Context) ([]Problem, error) {
	meta, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	var (
		problems []Problem
		present  []string
	)
	for _, topic := range Topics() {
		if isMissing(meta.Topics[topic]) {
			problems = append(problems, missingTopic(topic))
			continue
		}
		present = append(present, topic)
	}
	if len(present) == 0 {
		return problems, nil
	}
	configs, err := a.client.DescribeTopicConfigs(ctx, present...)
	if err != nil {
		return nil, unreachable(a.config, "read the topics' settings", err)
	}
	for _, topic := range present {
		config, err := configs.On(topic, nil)
		if err == nil {
			err = config.Err
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) {
			problems = append(problems, missingTopic(topic))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the settings of topic %s: %w; may we describe its configuration?", topic, err)
		}
		problems = append(problems, a.checkTopic(meta, topic, values(config))...)
	}
	starts, err := a.checkStarts(ctx, present)
	return append(problems, starts...), err
}

func missingTopic(topic string) Problem {
	return Problem{
		Severity: SeverityWarning, Topic: topic, Setting: wholeTopic, Found: "missing", Want: "present",
		Danger: "nothing can be published to it", Fix: "tributary migrate",
	}
}

func values(config kadm.ResourceConfig) map[string]string {
	settings := make(map[string]string, len(config.Configs))
	for _, c := range config.Configs {
		if c.Value != nil {
			settings[c.Key] = *c.Value
		}
	}
	return settings
}

func (a *Admin) checkTopic(meta kadm.Metadata, topic string, settings map[string]string) []Problem {
	replicas := meta.Topics[topic].Partitions.NumReplicas()
	var problems []Problem
	for _, rule := range rules(replicas) {
		found, known := settings[rule.setting]
		if !known || rule.fine(found) {
			continue
		}
		problems = append(problems, Problem{
			Severity: rule.severity, Topic: topic, Setting: rule.setting, Found: quoteEmpty(found), Want: rule.want, Danger: rule.danger,
			Fix: fmt.Sprintf("kafka-configs.sh --bootstrap-server %s --alter --entity-type topics --entity-name %s --add-config %s=%s",
				a.config.Brokers[0], topic, rule.setting, rule.want),
		})
	}
	if problem, found := checkInSync(topic, meta.Topics[topic].Partitions, settings["min.insync.replicas"]); found {
		problems = append(problems, problem)
	}
	if len(meta.Brokers) >= brokersForReplication && replicas < brokersForReplication {
		problems = append(problems, Problem{
			Severity: SeverityWarning, Topic: topic, Setting: "replication", Found: strconv.Itoa(replicas), Want: "3",
			Danger: "the events of a broker whose disk is lost are lost with it",
			Fix: fmt.Sprintf("kafka-reassign-partitions.sh --bootstrap-server %s --execute, with three replicas for each partition of %s",
				a.config.Brokers[0], topic),
		})
	}
	return problems
}

// checkInSync finds partitions to which nothing can be published, for too few of their replicas are in sync.
func checkInSync(topic string, partitions kadm.PartitionDetails, least string) (Problem, bool) {
	need, err := strconv.Atoi(least)
	if err != nil { // the broker does not tell
		return Problem{}, false
	}
	short, fewest := 0, need
	for _, p := range partitions {
		if have := len(p.ISR); have < need || p.Leader < 0 {
			short, fewest = short+1, min(fewest, have)
		}
	}
	return Problem{
		Severity: SeverityWarning, Topic: topic, Setting: inSyncReplicas,
		Found:  fmt.Sprintf("%d (in %d of %d partitions)", fewest, short, len(partitions)),
		Want:   least + " or more (min.insync.replicas)",
		Danger: "nothing can be published to them, and whoever publishes waits", Fix: "start the brokers that are down",
	}, short > 0
}

func quoteEmpty(value string) string {
	if value == "" {
		return `""`
	}
	return value
}

// rule is what one setting must be. A setting that the broker does not tell is passed over.
type rule struct {
	setting, want, danger string
	severity              Severity
	fine                  func(found string) bool
}

func rules(replicas int) []rule {
	unclean, insync := SeverityFatal, "2"
	if replicas < 2 { // there is no other replica to elect, or to wait for
		unclean, insync = SeverityWarning, "1"
	}
	return []rule{
		{"cleanup.policy", "delete", "compaction removes all but the last event of a key", SeverityFatal, func(found string) bool {
			return found == "delete" || found == "" // empty, since Kafka 4.1, removes nothing
		}},
		{"retention.ms", "-1", "events are deleted when they reach this age", SeverityFatal, unlimited},
		{"retention.bytes", "-1", "the oldest events are deleted when a partition reaches this size", SeverityFatal, unlimited},
		{
			"unclean.leader.election.enable", "false", "a replica that lacks acknowledged events may become the leader", unclean,
			func(found string) bool { return found == "false" },
		},
		{
			"min.insync.replicas", insync, "an event may be acknowledged when only one broker has it", SeverityWarning,
			func(found string) bool { return atLeast(found, insync) },
		},
		{
			"max.message.bytes", strconv.Itoa(TopicMaxMessageBytes), "large events and batches are refused by the broker", SeverityWarning,
			func(found string) bool { return atLeast(found, strconv.Itoa(TopicMaxMessageBytes)) },
		},
		{
			"message.timestamp.type", "LogAppendTime", "recorded times are what the producers' clocks say", SeverityWarning,
			func(found string) bool { return found == "LogAppendTime" },
		},
	}
}

func unlimited(found string) bool { return found == "-1" }

func atLeast(found, want string) bool {
	have, err := strconv.Atoi(found)
	if err != nil {
		return false
	}
	need, err := strconv.Atoi(want)
	return err == nil && have >= need
}

// checkStarts finds what was deleted already.
func (a *Admin) checkStarts(ctx context.Context, topics []string) ([]Problem, error) {
	starts, err := a.StartOffsets(ctx, topics...)
	if err != nil {
		return nil, err
	}
	var problems []Problem
	for _, p := range SortedPartitions(starts) {
		if starts[p] == 0 {
			continue
		}
		problems = append(problems, Problem{
			Severity: SeverityWarning, Topic: p.Topic, Setting: logStart + strconv.Itoa(int(p.Partition)),
			Found: strconv.FormatInt(starts[p], 10), Want: "0",
			Danger: "the events before it were deleted: no projection can be rebuilt from the log any more",
			Fix:    "restore the topic from a backup",
		})
	}
	return problems, nil
}
