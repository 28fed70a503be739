package postgres

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whether tried again or not, a statement over 1 GB is never sent: only a smaller batch can help.
func TestStatementsThatNoMessageHoldsAreRefused(t *testing.T) {
	t.Parallel()
	text := NewArray(OIDText, 1, 1<<20)
	text.Next().Text(string(make([]byte, 1<<20)))
	arrays := make([]*Array, 1_024)
	for i := range arrays {
		arrays[i] = text
	}
	err := Exec(t.Context(), nil, "", arrays...)
	require.ErrorIs(t, err, errTooLarge)
	require.True(t, refuses(err))
	err = queryBinary(t.Context(), nil, "", arrays, nil)
	require.ErrorIs(t, err, errTooLarge)
	require.NoError(t, fits(parameters(arrays[:1_000])))
}
