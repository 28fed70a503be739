package eventlog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What a topic has where nothing else is said.
const (
	DefaultPartitions = 12
	// TopicMaxMessageBytes is the topics' max.message.bytes: a batch of the largest events fits.
	TopicMaxMessageBytes = 4 << 20
	// brokersForReplication is from how many brokers on each record is kept by as many.
	brokersForReplication = 3
)

// adminRetryTimeout bounds how long a question to the cluster is retried: people wait for the answer.
const adminRetryTimeout = 10 * time.Second

// Admin makes the topics and answers questions about them. Its methods may be called at once from many goroutines.
type Admin struct {
	config Config
	client *kadm.Client
	owned  bool
}

// NewAdmin is an Admin with a client of its own; it dials nothing yet. Close it when done.
func NewAdmin(config Config) (*Admin, error) {
	config.Metrics = nil // short-lived, and there may be many
	client, err := NewClient(config.named("admin"), kgo.RetryTimeout(adminRetryTimeout))
	if err != nil {
		return nil, err
	}
	return &Admin{config: config, client: kadm.NewClient(client), owned: true}, nil
}

// AdminOf is an Admin over a client that the caller made with this configuration, and goes on owning.
func AdminOf(config Config, client *kgo.Client) *Admin {
	return &Admin{config: config, client: kadm.NewClient(client)}
}

// Close ends the client that NewAdmin made.
func (a *Admin) Close() {
	if a.owned {
		a.client.Close()
	}
}

// TopicSettings say how new topics are made.
type TopicSettings struct {
	// Partitions a topic: 12 for new topics when 0. Topics that have fewer than asked for get more, never less.
	Partitions int
	// Replication is how many brokers keep each record: when 0, three where there are three brokers, else one.
	Replication int
}

// Ensure makes the topics that are missing and adds the partitions that were asked for, and says what it did, a line a
// change. It is safe to run again, and for two to run at once. It changes nothing else: where a topic that is there could
// lose events it touches nothing and returns a *ProblemsError.
func (a *Admin) Ensure(ctx context.Context, settings TopicSettings) ([]string, error) {
	problems, err := a.Check(ctx)
	if err != nil {
		return nil, err
	}
	if fatal := Fatal(problems); len(fatal) > 0 {
		return nil, &ProblemsError{Problems: fatal}
	}
	meta, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	changes, err := a.create(ctx, missing(meta), settings, len(meta.Brokers))
	if err != nil {
		return nil, err
	}
	if err := a.awaitLeaders(ctx); err != nil {
		return nil, err
	}
	grown, err := a.grow(ctx, settings.Partitions)
	return append(changes, grown...), err
}

// Missing are the ledger's topics that are not there. Any broker knows, though others are dead.
func (a *Admin) Missing(ctx context.Context) ([]string, error) {
	meta, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	return missing(meta), nil
}

func missing(meta kadm.Metadata) []string {
	var topics []string
	for _, topic := range Topics() {
		if isMissing(meta.Topics[topic]) {
			topics = append(topics, topic)
		}
	}
	return topics
}

func isMissing(topic kadm.TopicDetail) bool {
	return topic.Topic == "" || errors.Is(topic.Err, kerr.UnknownTopicOrPartition)
}

// topics asks a broker about topics. Asking for permissions too is what keeps the client from answering out of its memory,
// in which a topic that was recreated is still the old one.
func (a *Admin) topics(ctx context.Context, topics ...string) (kadm.Metadata, error) {
	meta, err := a.client.Metadata(kadm.WithAuthorizedOps(ctx), topics...)
	if err != nil {
		return kadm.Metadata{}, unreachable(a.config, "ask for the topics", err)
	}
	return meta, nil
}

// metadata is about the ledger's topics; those that are not there have an error that isMissing knows.
func (a *Admin) metadata(ctx context.Context) (kadm.Metadata, error) {
	meta, err := a.topics(ctx, Topics()...)
	if err != nil {
		return kadm.Metadata{}, err
	}
	for _, topic := range Topics() {
		if err := meta.Topics[topic].Err; err != nil && !isMissing(meta.Topics[topic]) {
			return kadm.Metadata{}, fmt.Errorf("ask for topic %s: %w", topic, err)
		}
	}
	return meta, nil
}

// wantedConfigs are the settings under which nothing that was acknowledged is ever dropped.
func wantedConfigs(replication int) map[string]string {
	configs := map[string]string{
		"cleanup.policy":                 "delete",
		"retention.ms":                   "-1",
		"retention.bytes":                "-1",
		"unclean.leader.election.enable": "false",
		"max.message.bytes":              strconv.Itoa(TopicMaxMessageBytes),
		"message.timestamp.type":         "LogAppendTime",
	}
	if replication >= brokersForReplication {
		configs["min.insync.replicas"] = "2"
	}
	return configs
}

func replicationFor(settings TopicSettings, brokers int) int {
	switch {
	case settings.Replication > 0:
		return settings.Replication
	case brokers >= brokersForReplication:
		return brokersForReplication
	default:
		return 1
	}
}

func (a *Admin) create(ctx context.Context, topics []string, settings TopicSettings, brokers int) ([]string, error) {
	if len(topics) == 0 {
		return nil, nil
	}
	partitions := settings.Partitions
	if partitions <= 0 {
		partitions = DefaultPartitions
	}
	replication := replicationFor(settings, brokers)
	if partitions > 1<<15 || replication > 1<<10 {
		return nil, fmt.Errorf("%d partitions of %d replicas are more than Kafka can hold", partitions, replication)
	}
	configs := make(map[string]*string)
	for key, value := range wantedConfigs(replication) {
		configs[key] = &value
	}
	answers, err := a.client.CreateTopics(ctx, int32(partitions), int16(replication), configs, topics...) //nolint:gosec // bounded above
	if err != nil {
		return nil, unreachable(a.config, "create topics", err)
	}
	var changes []string
	for _, topic := range slices.Sorted(maps.Keys(answers)) {
		switch answer := answers[topic]; {
		case answer.Err == nil:
			changes = append(changes, fmt.Sprintf("created %s: %d partitions, replication %d", topic, partitions, replication))
		case errors.Is(answer.Err, kerr.TopicAlreadyExists): // somebody was faster, with the same settings or checked next time
		default:
			return changes, fmt.Errorf("create topic %s: %w (%s)", topic, answer.Err, answer.ErrMessage)
		}
	}
	return changes, nil
}

// awaitLeaders returns when every topic is known and every partition has a leader: brokers learn of a new topic one by one.
func (a *Admin) awaitLeaders(ctx context.Context) error {
	const pause = 50 * time.Millisecond
	for {
		meta, err := a.metadata(ctx)
		if err != nil {
			return err
		}
		waiting := leaderless(meta)
		if waiting == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a leader of %s: %w; are enough brokers up?", waiting, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// leaderless is a topic or partition that cannot be used yet; empty when all can.
func leaderless(meta kadm.Metadata) string {
	for _, topic := range Topics() {
		detail := meta.Topics[topic]
		if isMissing(detail) || len(detail.Partitions) == 0 {
			return topic
		}
		for _, partition := range detail.Partitions.Sorted() {
			if partition.Err != nil || partition.Leader < 0 {
				return TopicPartition{Topic: topic, Partition: partition.Partition}.String()
			}
		}
	}
	return ""
}

// grow adds partitions where a topic has fewer than were asked for.
func (a *Admin) grow(ctx context.Context, partitions int) ([]string, error) {
	meta, err := a.metadata(ctx)
	if err != nil {
		return nil, err
	}
	var changes []string
	for _, topic := range Topics() {
		have := len(meta.Topics[topic].Partitions)
		if have >= partitions {
			continue
		}
		answers, err := a.client.UpdatePartitions(ctx, partitions, topic)
		if err != nil {
			return changes, unreachable(a.config, "add partitions", err)
		}
		err = answers[topic].Err
		if errors.Is(err, kerr.InvalidPartitions) || errors.Is(err, kerr.ReassignmentInProgress) { // somebody was faster
			continue
		}
		if err != nil {
			return changes, fmt.Errorf("add partitions to %s: %w", topic, err)
		}
		changes = append(changes, fmt.Sprintf("grew %s from %d to %d partitions", topic, have, partitions))
	}
	return changes, a.awaitLeaders(ctx)
}
