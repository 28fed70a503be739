package projections

import (
	"fmt"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// FencedError says that the store refused a commit because the caller does not own these partitions any more.
type FencedError struct {
	Partitions []eventlog.TopicPartition
	// Spared tells that nobody else took over, because a swap came to nothing: the caller takes over anew, and stays where it is.
	Spared bool
}

// Error names the partitions.
func (e *FencedError) Error() string {
	if e.Spared {
		return fmt.Sprintf("a swap that came to nothing locked the owner of %v out: it takes over anew", e.Partitions)
	}
	return fmt.Sprintf("another owner has taken over %v: this one's commit was refused", e.Partitions)
}

// VersionError says that tables were built by another version of the fold than this program's: to write into them would mix both.
type VersionError struct {
	Projection       string
	Generation       int32
	Tables, Programs int
}

// Error says what to do.
func (e *VersionError) Error() string {
	return fmt.Sprintf("generation %d of %s was built by version %d of its fold, and this program has version %d: nothing is written; "+
		"run `tributary replay %s` with the program whose version is to be live, and stop the projectors of the other one",
		e.Generation, e.Projection, e.Tables, e.Programs, e.Projection)
}

// RefusedError says that the store, or the fold, cannot take a batch of valid events. That is a bug of ours, never a bad
// event, and trying again cannot help.
type RefusedError struct {
	Batch Batch
	Err   error
}

// Error names the place and the cause.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("the store refused valid events at %s: %v; "+
		"the projector stops here and loses nothing: mend the cause and start it again", e.Batch, e.Err)
}

// Unwrap gives the cause.
func (e *RefusedError) Unwrap() error { return e.Err }
