package eventlog

import (
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// journal is a valid event as large as wanted: pairs of entries that balance.
func journal(pairs int, key string) *ledger.Event {
	data := &eventsv1.JournalPosted{JournalId: "journal-1", Description: strings.Repeat("d", 1000)}
	for range pairs {
		for _, direction := range []string{"debit", "credit"} {
			data.Entries = append(data.Entries, &eventsv1.Entry{
				Account: "equity:owner", Direction: direction,
				Amount: &eventsv1.Money{Value: "12345", AssetCode: "GBP", AssetScale: proto.Uint32(3)},
			})
		}
	}
	event := ledger.NewEvent(uuid.UUID{6: 0x70, 8: 0x80, 15: 1}, time.Unix(1_700_000_000, 0), "urn:test", data)
	event.PartitionKey = key
	return event
}

// pad makes the description longer by so many bytes.
func pad(event *ledger.Event, bytes int) {
	data, _ := event.Data.(*eventsv1.JournalPosted)
	data.Description += strings.Repeat("d", bytes)
}
