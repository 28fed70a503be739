package ledger

import "math"

// maxJSONDepth bounds how deep values that are passed over may nest.
const maxJSONDepth = 100

// literal passes over true, false or null.
func (s *scanner) literal(word string) bool {
	if len(s.src)-s.at < len(word) || string(s.src[s.at:s.at+len(word)]) != word {
		return s.expected("a value")
	}
	s.at += len(word)
	return true
}

// skip passes over any value, holding it to JSON's syntax.
func (s *scanner) skip(depth int) bool {
	if depth > maxJSONDepth {
		return s.fail("JSON nests deeper than %d", maxJSONDepth)
	}
	switch c := s.peek(); c {
	case '{':
		return s.skipObject(depth)
	case '[':
		s.at++
		for first := true; ; first = false {
			more, ok := s.element(first)
			if !more || !ok {
				return ok
			}
			if !s.skip(depth + 1) {
				return false
			}
		}
	case '"':
		_, ok := s.text()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		_, ok := s.number()
		return ok
	}
}

func (s *scanner) skipObject(depth int) bool {
	s.at++
	for first := true; ; first = false {
		_, more, ok := s.member(first)
		if !more || !ok {
			return ok
		}
		if !s.skip(depth + 1) {
			return false
		}
	}
}

// number reads a number and returns its text.
func (s *scanner) number() ([]byte, bool) {
	start := s.at
	if s.at < len(s.src) && s.src[s.at] == '-' {
		s.at++
	}
	whole := s.digits()
	if whole == 0 || whole > 1 && s.src[s.at-whole] == '0' {
		s.at = start
		return nil, s.expected("a value")
	}
	if s.at < len(s.src) && s.src[s.at] == '.' {
		s.at++
		if s.digits() == 0 {
			return nil, s.expected("a digit")
		}
	}
	if s.at < len(s.src) && s.src[s.at]|0x20 == 'e' {
		s.at++
		if s.at < len(s.src) && (s.src[s.at] == '+' || s.src[s.at] == '-') {
			s.at++
		}
		if s.digits() == 0 {
			return nil, s.expected("a digit")
		}
	}
	return s.src[start:s.at], true
}

func (s *scanner) digits() int {
	start := s.at
	for s.at < len(s.src) && s.src[s.at] >= '0' && s.src[s.at] <= '9' {
		s.at++
	}
	return s.at - start
}

// parseUint32 reads digits alone: neither sign, fraction nor exponent.
func parseUint32(digits []byte) (uint32, bool) {
	var n uint64
	for _, c := range digits {
		c -= '0'
		if c > 9 {
			return 0, false
		}
		if n = n*10 + uint64(c); n > math.MaxUint32 {
			return 0, false
		}
	}
	return uint32(n), len(digits) > 0
}
