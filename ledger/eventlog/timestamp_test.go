package eventlog

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Where the writer sets a record's timestamp it may be anything, and every store must be able to hold it.
func TestRecordedTimeStaysWithinTheYearsOfEvents(t *testing.T) {
	t.Parallel()
	first, last := time.Unix(0, 0).UTC(), time.Date(2105, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	for timestamp, want := range map[time.Time]time.Time{
		time.UnixMilli(math.MinInt64):               first,
		time.UnixMilli(-1):                          first,
		time.UnixMilli(0):                           first,
		time.UnixMilli(1_700_000_000_123):           time.UnixMilli(1_700_000_000_123).UTC(),
		time.Unix(1_700_000_000, 123_456_789):       time.Unix(1_700_000_000, 123_456_000).UTC(),
		time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC): last,
		time.UnixMilli(math.MaxInt64):               last,
	} {
		require.Equal(t, want, Decode(&kgo.Record{Timestamp: timestamp}).RecordedAt, timestamp)
	}
}
