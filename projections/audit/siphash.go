package audit

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// sipKey is a key of SipHash-2-4, which ClickHouse has too, as sipHash64Keyed: rows of either side come to the same numbers, and nobody
// who does not know the key can make two that do.
type sipKey [2]uint64

func newSipKey() sipKey { return sipKey{rand.Uint64(), rand.Uint64()} }

// hash is SipHash-2-4, of 64 bits, as its authors describe it.
func (k sipKey) hash(b []byte) uint64 {
	const (
		finish       = 0xff
		finishRounds = 4
		word         = 8
		lengthShift  = 56
	)
	s := sipState{k[0] ^ 0x736f6d6570736575, k[1] ^ 0x646f72616e646f6d, k[0] ^ 0x6c7967656e657261, k[1] ^ 0x7465646279746573}
	last := uint64(len(b)) << lengthShift
	for ; len(b) >= word; b = b[word:] {
		s.take(binary.LittleEndian.Uint64(b))
	}
	var rest [word]byte
	copy(rest[:], b)
	s.take(last | binary.LittleEndian.Uint64(rest[:]))
	s[2] ^= finish
	for range finishRounds {
		s.round()
	}
	return s[0] ^ s[1] ^ s[2] ^ s[3]
}

type sipState [4]uint64

func (s *sipState) take(word uint64) {
	s[3] ^= word
	s.round()
	s.round()
	s[0] ^= word
}

//nolint:mnd // The rotations are SipHash's.
func (s *sipState) round() {
	v0, v1, v2, v3 := s[0], s[1], s[2], s[3]
	v0, v2 = v0+v1, v2+v3
	v1, v3 = bits.RotateLeft64(v1, 13)^v0, bits.RotateLeft64(v3, 16)^v2
	v0 = bits.RotateLeft64(v0, 32)
	v2, v0 = v2+v1, v0+v3
	v1, v3 = bits.RotateLeft64(v1, 17)^v2, bits.RotateLeft64(v3, 21)^v0
	v2 = bits.RotateLeft64(v2, 32)
	s[0], s[1], s[2], s[3] = v0, v1, v2, v3
}
