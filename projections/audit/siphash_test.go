package audit

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The numbers are those of the reference implementation: the key is 00 01 … 0f, the input 00 01 … of a length.
func TestSipHash(t *testing.T) {
	t.Parallel()
	key := sipKey{0x0706050403020100, 0x0f0e0d0c0b0a0908}
	var input [64]byte
	for i := range input {
		input[i] = byte(i)
	}
	for length, want := range map[int]uint64{
		0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5, 63: 0x958a324ceb064572,
	} {
		require.Equal(t, want, key.hash(input[:length]), length)
	}
}
