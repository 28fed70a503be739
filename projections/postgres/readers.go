package postgres

import "fmt"

// ReaderView is what readers see of a projection's generation, and how the same row is found in another one.
type ReaderView struct {
	// Name is the view's, with its schema, such as "books.entries".
	Name string
	// From is a SELECT that stands for it where there is no view of that name; empty where there is.
	From string
	// Where leaves the rows that are the projection's, of a view that shows those of several; may be empty.
	Where string
	// Key are the columns that no two rows have alike.
	Key []string
	// Copy are the columns that tell which copy of an event a row was made from: two generations that met the copies in another
	// order may differ there.
	Copy []string
	// Subjects is an SQL expression over the columns: a text[] of what events are about that may have made the row. It is empty
	// where the row names its event or position, and where Sums is set.
	Subjects string
	// Sums is the Name of the view whose rows this one adds up, by columns that both have: those of Key.
	Sums string
	// Identities is set for the events that count, by id, with the hash of their content: it tells which rows differ only because
	// another side of a conflict came first.
	Identities bool
}

// Readable is a projection that declares what readers see of it.
type Readable interface {
	Projection
	// Readers are its views of the schema books, and what of its tables readers see otherwise.
	Readers() []ReaderView
}

// PositionColumns are those by which a row names a place in the log.
func PositionColumns() []string { return []string{"topic", "partition", "kafka_offset"} }

// KeyInLedger is a key of what has a name in each ledger.
func KeyInLedger(columns ...string) []string { return append([]string{"ledger"}, columns...) }

// IdentityView declares the events that count for a projection. No reader sees them, but what is counted from now on goes by them.
func IdentityView(projection string) ReaderView {
	return ReaderView{
		Name: projection + ".identity",
		From: fmt.Sprintf(`SELECT i.event_id, i.content_hash, l.label AS topic, i."partition", i.kafka_offset
			FROM %[1]s.identity i JOIN tributary.labels l ON l.id = i.topic WHERE i.generation = (SELECT tributary.shown('%[1]s'))`, projection),
		Key: []string{"event_id"}, Copy: PositionColumns(), Identities: true,
	}
}
