package eventlog_test

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// charge is an event as a shop builds it: typed data, the time when it happened, and an id made from what happened, so
// that it is the same event however often it is built.
func charge(value string) *ledger.Event {
	const source = "https://corner-shop.example"
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(source+"/payments/pay-2001/post_requested"))
	at := time.Date(2026, 3, 2, 8, 1, 0, 0, time.UTC)
	return ledger.NewEvent(id, at, source, &eventsv1.PaymentPostRequested{
		PaymentId: "pay-2001", TransactionId: "txn-2001",
		Amount: &eventsv1.Money{Value: value, AssetCode: "EUR", AssetScale: proto.Uint32(2)},
	})
}

// An event is checked before it leaves and encoded in a format. What comes out is a record for any franz-go client: give
// it to ProduceSync, which is idempotent with acks=all unless told otherwise. docs/examples/producers/go is a whole program.
func ExampleEncodeAs() {
	event := charge("1250")
	if invalid := ledger.Validate(event); invalid != nil {
		fmt.Println(invalid)
		return
	}
	record, invalid := eventlog.EncodeAs(event, eventlog.FormatJSON)
	if invalid != nil {
		fmt.Println(invalid) // it is too large
		return
	}
	fmt.Printf("topic %s, key %s\n", record.Topic, record.Key)
	for _, header := range record.Headers {
		fmt.Printf("%s: %s\n", header.Key, header.Value)
	}
	fmt.Printf("%s\n", record.Value)
	// Output:
	// topic tributary.payments, key pay-2001
	// content-type: application/json
	// ce_specversion: 1.0
	// ce_id: df51500e-690a-5f83-ac08-a252f6949db1
	// ce_source: https://corner-shop.example
	// ce_type: tributary.payment.post_requested.v1
	// ce_time: 2026-03-02T08:01:00Z
	// ce_subject: pay-2001
	// {"payment_id":"pay-2001","transaction_id":"txn-2001","amount":{"value":"1250","asset_code":"EUR","asset_scale":2}}
}

// What is wrong with an event is said before anybody has it: the code, the field, and what would mend it.
func ExampleEncodeAs_invalid() {
	fmt.Println(ledger.Validate(charge("12.50")))
	// Output:
	// bad_amount at data.amount.value: "12.50" is not an integer; write the amount in units of 10^-asset_scale, without a point
}
