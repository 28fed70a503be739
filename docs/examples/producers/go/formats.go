package main

import (
	"context"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// encoder makes a record of an event.
type encoder func(ctx context.Context, event *ledger.Event) (*kgo.Record, error)

func formats() map[string]encoder {
	return map[string]encoder{
		"binary":     as(eventlog.FormatJSON),
		"structured": as(eventlog.FormatStructured),
		"protobuf":   as(eventlog.FormatProtobuf),
		"registry":   framed,
	}
}

func as(format eventlog.Format) encoder {
	return func(_ context.Context, event *ledger.Event) (*kgo.Record, error) {
		record, invalid := eventlog.EncodeAs(event, format)
		if invalid != nil {
			return nil, invalid // its own type, which is an error only when it is there
		}
		return record, nil
	}
}

// framed puts a schema's number and the message's place in its file before the protobuf, as Confluent's serializers do.
// The schema was registered before, with the message's name for its subject.
func framed(ctx context.Context, event *ledger.Event) (*kgo.Record, error) {
	record, err := as(eventlog.FormatProtobuf)(ctx, event)
	if err != nil {
		return nil, err
	}
	registry, err := sr.NewClient(sr.URLs(os.Getenv("SCHEMA_REGISTRY_URL")))
	if err != nil {
		return nil, fmt.Errorf("make a client of the registry: %w", err)
	}
	message := event.Data.ProtoReflect().Descriptor()
	schema, err := registry.SchemaByVersion(ctx, string(message.FullName()), -1)
	if err != nil {
		return nil, fmt.Errorf("look up the schema of %s: %w", message.FullName(), err)
	}
	head, err := new(sr.ConfluentHeader).AppendEncode(nil, schema.ID, []int{message.Index()})
	if err != nil {
		return nil, fmt.Errorf("frame %s: %w", message.FullName(), err)
	}
	record.Value = append(head, record.Value...)
	return record, nil
}
