package eventlog

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/tributary-ledger/tributary/ledger"
)

// The topics of the ledger.
const (
	TopicPayments     = ledger.TopicPayments
	TopicReceivers    = ledger.TopicReceivers
	TopicMonetization = ledger.TopicMonetization
)

// topicPrefix is left out where people read or type a position.
const topicPrefix = "tributary."

// Topics are the names of all the ledger's topics.
func Topics() []string { return ledger.Topics() }

// TopicPartition names one partition of one topic; it is comparable, for use as a map's key.
type TopicPartition struct {
	// Topic is the full name, such as "tributary.payments".
	Topic string
	// Partition counts from 0.
	Partition int32
}

// String is the partition as people read it: "payments/3".
func (p TopicPartition) String() string {
	return shortTopic(p.Topic) + "/" + strconv.Itoa(int(p.Partition))
}

// Compare orders by topic, then partition: negative when p is before q, 0 when they are equal.
func (p TopicPartition) Compare(q TopicPartition) int {
	return cmp.Or(cmp.Compare(p.Topic, q.Topic), cmp.Compare(p.Partition, q.Partition))
}

// At is the position of an offset in this partition.
func (p TopicPartition) At(offset int64) Position {
	return Position{Topic: p.Topic, Partition: p.Partition, Offset: offset}
}

// Position is the place of one record in the log.
type Position struct {
	// Topic is the full name, such as "tributary.payments".
	Topic string
	// Partition counts from 0.
	Partition int32
	// Offset counts from 0; offsets have gaps.
	Offset int64
}

// TopicPartition is the partition that the position is in.
func (p Position) TopicPartition() TopicPartition {
	return TopicPartition{Topic: p.Topic, Partition: p.Partition}
}

// String is the position as people read and type it: "payments/3@1042".
func (p Position) String() string {
	return p.TopicPartition().String() + "@" + strconv.FormatInt(p.Offset, 10)
}

// ParsePosition reads what String writes: topic/partition@offset, the topic with or without its prefix "tributary.".
func ParsePosition(text string) (Position, error) {
	place, offsetText, found := strings.Cut(text, "@")
	slash := strings.LastIndexByte(place, '/')
	if !found || slash <= 0 {
		return Position{}, positionError(text)
	}
	partition, err := strconv.ParseUint(place[slash+1:], 10, 31)
	if err != nil {
		return Position{}, positionError(text)
	}
	offset, err := strconv.ParseUint(offsetText, 10, 63)
	if err != nil {
		return Position{}, positionError(text)
	}
	return Position{
		Topic:     longTopic(place[:slash]),
		Partition: int32(partition),
		Offset:    int64(offset),
	}, nil
}

func positionError(text string) error {
	const most = 80
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Errorf("%q is no position in the log: want topic/partition@offset, such as payments/3@1042", text)
}

// shortTopic leaves the prefix out of our own names only, so that longTopic can put it back without a guess.
func shortTopic(topic string) string {
	switch topic {
	case TopicPayments, TopicReceivers, TopicMonetization:
		return topic[len(topicPrefix):]
	default:
		return topic
	}
}

func longTopic(name string) string {
	switch long := topicPrefix + name; long {
	case TopicPayments, TopicReceivers, TopicMonetization:
		return long
	default:
		return name
	}
}
