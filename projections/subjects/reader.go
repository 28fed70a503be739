package subjects

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/projections/postgres"
)

// Progress is how far the generation that is shown is, by partition. It is empty where there is none yet.
func Progress(ctx context.Context, db postgres.Querier) (map[eventlog.TopicPartition]eventlog.Kept, error) {
	rows, err := db.Query(ctx, `SELECT p.topic, p."partition", p.topic_id, p.next_offset FROM tributary.progress p
		WHERE p.generation = (SELECT tributary.shown($1))`, Name)
	if err != nil {
		return nil, fmt.Errorf("read how far %s is: %w", Name, err)
	}
	all := map[eventlog.TopicPartition]eventlog.Kept{}
	var p eventlog.TopicPartition
	var id [16]byte
	var next int64
	_, err = pgx.ForEachRow(rows, []any{&p.Topic, &p.Partition, &id, &next}, func() error {
		all[p] = eventlog.Kept{LogIdentity: eventlog.LogIdentity{TopicID: id, LeaderEpoch: -1}, Next: next}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read how far %s is: %w", Name, err)
	}
	return all, nil
}

// Places calls fn with the position of each record that may be about the thing with that name, in no order: of some other
// name's, too, where it has the same hash.
func Places(ctx context.Context, db postgres.Querier, name string, fn func(eventlog.Position)) error {
	rows, err := db.Query(ctx, `SELECT topic, "partition", kafka_offset FROM subjects.places WHERE name_hash = $1
		AND generation = (SELECT tributary.shown($2))`, hashOf(name), Name)
	if err != nil {
		return fmt.Errorf("find the places of %q: %w", name, err)
	}
	topics := eventlog.Topics()
	var topic int16
	var at eventlog.Position
	_, err = pgx.ForEachRow(rows, []any{&topic, &at.Partition, &at.Offset}, func() error {
		if topic < 1 || int(topic) > len(topics) {
			return errors.New("a row has an unknown topic; rebuild with `tributary replay subjects`")
		}
		at.Topic = topics[topic-1]
		fn(at)
		return nil
	})
	if err != nil {
		return fmt.Errorf("find the places of %q: %w", name, err)
	}
	return nil
}
