package eventlog

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestPositionIsReadAndWrittenAlike(t *testing.T) {
	t.Parallel()
	p := Position{Topic: TopicPayments, Partition: 3, Offset: 1042}
	require.Equal(t, "payments/3@1042", p.String())
	for _, text := range []string{"payments/3@1042", "tributary.payments/3@1042"} {
		read, err := ParsePosition(text)
		require.NoError(t, err)
		require.Equal(t, p, read)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := Position{
			Topic:     rapid.OneOf(rapid.SampledFrom(Topics()), rapid.StringMatching(`[a-z]{1,8}\.[a-z._-]{1,20}`)).Draw(t, "topic"),
			Partition: rapid.Int32Min(0).Draw(t, "partition"),
			Offset:    rapid.Int64Min(0).Draw(t, "offset"),
		}
		read, err := ParsePosition(p.String())
		require.NoError(t, err)
		require.Equal(t, p, read)
	})
}

func TestParsePositionRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "payments", "payments/3", "payments@4", "/3@4", "payments/@4", "payments/3@", "payments/-1@4", "payments/3@-4",
		"payments/2147483648@1", "payments/3@9223372036854775808", "payments/3@+4", "payments/3@4 ", "payments/3@4@5",
	} {
		_, err := ParsePosition(text)
		require.ErrorContains(t, err, "payments/3@1042", "%q", text)
	}
}
