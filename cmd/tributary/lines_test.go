package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// collect reads lines by number, with a chunk size small enough to cut everywhere.
func collect(t require.TestingT, r io.Reader, size int) (lines map[int]string, tooLong map[int]int) {
	lines, tooLong = map[int]string{}, map[int]int{}
	chunks := chunkReader{r: r, size: size, line: 1}
	for {
		c, err := chunks.next()
		if errors.Is(err, io.EOF) {
			return lines, tooLong
		}
		require.NoError(t, err)
		if c.tooLong > 0 {
			tooLong[c.first] = c.tooLong
		}
		for number, line := range c.lines() {
			require.NotContains(t, lines, number)
			lines[number] = string(line)
		}
	}
}

func TestChunksAreTheLines(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.SampledFrom([]string{"\n", "\r\n", "\n\n", "\n \t\r\n"})
		words := rapid.SliceOf(rapid.StringMatching(`[a-z{}"]{1,12}( [a-z]{1,9})?`)).Draw(t, "lines")
		var text strings.Builder
		want, number := map[int]string{}, 1
		for i, word := range words {
			want[number] = word
			text.WriteString(word)
			if i < len(words)-1 || rapid.Bool().Draw(t, "ends with a line's end") {
				end := ends.Draw(t, "end")
				text.WriteString(end)
				number += strings.Count(end, "\n")
			}
		}
		size := rapid.IntRange(1, 64).Draw(t, "size")
		reader := io.Reader(strings.NewReader(text.String()))
		if rapid.Bool().Draw(t, "byte by byte") {
			reader = iotest.OneByteReader(reader)
		}
		lines, tooLong := collect(t, reader, max(size, 3))
		require.Equal(t, want, lines)
		require.Empty(t, tooLong)
	})
}

func TestALineThatIsFarTooLongIsPassedOver(t *testing.T) {
	t.Parallel()
	const size = 16
	huge := strings.Repeat("x", 20*size)
	for _, text := range []string{"a\n" + huge + "\nb\n", "a\n" + huge + "\nb", "a\n" + huge} {
		lines, tooLong := collect(t, strings.NewReader(text), size)
		require.Equal(t, map[int]int{2: len(huge)}, tooLong)
		require.Equal(t, "a", lines[1])
		if strings.Contains(text, "b") {
			require.Equal(t, "b", lines[3])
		}
	}
}

func TestAReadErrorIsTold(t *testing.T) {
	t.Parallel()
	broken := errors.New("the disk is gone")
	chunks := chunkReader{r: io.MultiReader(strings.NewReader("a\n"), iotest.ErrReader(broken)), size: 64, line: 1}
	_, err := chunks.next()
	require.ErrorIs(t, err, broken)
}
