package ledger

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// scanner reads the tokens of a JSON text. A token that is no JSON stops it: syntax says why and where. Strings are
// returned without their quotes and escapes; their bytes are good until the next token. Half of a surrogate pair comes
// out as bytes that are not UTF-8, so that the rules of text refuse it in its place.
type scanner struct {
	src     []byte
	at      int
	scratch []byte // the last string that had escapes
	syntax  error
}

func (s *scanner) fail(format string, args ...any) bool {
	if s.syntax == nil {
		s.syntax = fmt.Errorf("%s at byte %d", fmt.Sprintf(format, args...), s.at)
	}
	return false
}

// peek passes over white space and returns the byte that follows, 0 at the end. A NUL of the input looks like the end,
// and is refused like it.
func (s *scanner) peek() byte {
	for s.at < len(s.src) {
		switch c := s.src[s.at]; c {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

// expected fails with what was met instead.
func (s *scanner) expected(what string) bool {
	if s.at >= len(s.src) {
		return s.fail("the JSON ends where %s was expected", what)
	}
	return s.fail("JSON has %s where %s was expected", quote(s.src[s.at:s.at+1]), what)
}

// take passes over one byte of punctuation.
func (s *scanner) take(c byte, what string) bool {
	if s.peek() != c || s.at >= len(s.src) {
		return s.expected(what)
	}
	s.at++
	return true
}

// member moves to the next member of an object whose brace is passed, and returns its name; more is false at the end.
func (s *scanner) member(first bool) (name []byte, more, ok bool) {
	c := s.peek()
	if c == '}' {
		s.at++
		return nil, false, true
	}
	if !first {
		if !s.take(',', "a comma or }") {
			return nil, false, false
		}
		c = s.peek()
	}
	if c != '"' {
		return nil, false, s.expected("a name in quotes")
	}
	name, ok = s.text()
	return name, true, ok && s.take(':', "a colon")
}

// element moves to the next element of an array whose bracket is passed; more is false at the end.
func (s *scanner) element(first bool) (more, ok bool) {
	if s.peek() == ']' {
		s.at++
		return false, true
	}
	if !first && !s.take(',', "a comma or ]") {
		return false, false
	}
	return true, true
}

// text reads a string at its opening quote.
func (s *scanner) text() ([]byte, bool) {
	s.at++
	start := s.at
	s.at += plainPrefix(s.src[start:])
	if s.at < len(s.src) && s.src[s.at] == '"' {
		s.at++
		return s.src[start : s.at-1], true
	}
	s.scratch = append(s.scratch[:0], s.src[start:s.at]...)
	return s.escapedText()
}

// escapedText goes on with a string after its plain beginning.
func (s *scanner) escapedText() ([]byte, bool) {
	for s.at < len(s.src) {
		switch c := s.src[s.at]; {
		case c == '"':
			s.at++
			return s.scratch, true
		case c == '\\':
			if !s.escape() {
				return nil, false
			}
		case c < ' ':
			return nil, s.fail("JSON has a control character inside a string")
		default:
			n := plainPrefix(s.src[s.at:])
			s.scratch = append(s.scratch, s.src[s.at:s.at+n]...)
			s.at += n
		}
	}
	return nil, s.expected("the end of a string")
}

const (
	everyByte = 0x0101010101010101
	everyHigh = 0x8080808080808080
)

// plainPrefix counts the bytes before the first quote, backslash or control character: eight at a time, as this is where
// reading JSON spends its time. A byte is marked by the borrow that taking 1 (or 0x20) from it needs; false marks come
// only after a true one.
func plainPrefix(b []byte) int {
	n := 0
	for ; n+8 <= len(b); n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		quotes := w ^ everyByte*'"'
		slashes := w ^ everyByte*'\\'
		marks := (quotes - everyByte) & ^quotes
		marks |= (slashes - everyByte) & ^slashes
		marks |= (w - everyByte*' ') & ^w
		if marks &= everyHigh; marks != 0 {
			return n + bits.TrailingZeros64(marks)/8
		}
	}
	for n < len(b) && b[n] != '"' && b[n] != '\\' && b[n] >= ' ' {
		n++
	}
	return n
}

// escape reads one escape, at its backslash, into scratch.
func (s *scanner) escape() bool {
	if s.at+1 >= len(s.src) {
		s.at = len(s.src)
		return s.expected("the end of a string")
	}
	c := s.src[s.at+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return s.unicodeEscape()
	default:
		return s.fail("JSON has no escape %s", quote(s.src[s.at:s.at+2]))
	}
	s.scratch = append(s.scratch, c)
	s.at += 2
	return true
}

// The halves of surrogate pairs.
const (
	highSurrogate = 0xd800
	lowSurrogate  = 0xdc00
	surrogateEnd  = 0xe000
)

// unicodeEscape reads \uXXXX, or two that are a pair.
func (s *scanner) unicodeEscape() bool {
	r, ok := hex4(s.src[s.at:])
	if !ok {
		return s.fail(`JSON has a \u without four hexadecimal digits`)
	}
	s.at += 6
	if r >= highSurrogate && r < lowSurrogate {
		if low, ok := hex4(s.src[s.at:]); ok && low >= lowSurrogate && low < surrogateEnd {
			s.at += 6
			r = (r-highSurrogate)<<10 + (low - lowSurrogate) + 0x10000
		}
	}
	if r >= highSurrogate && r < surrogateEnd {
		s.scratch = append(s.scratch, byte(0xe0|r>>12), byte(0x80|r>>6&0x3f), byte(0x80|r&0x3f)) //nolint:gosec // six bits each
		return true
	}
	s.scratch = utf8.AppendRune(s.scratch, r)
	return true
}

// hex4 reads \uXXXX at the start of b.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
