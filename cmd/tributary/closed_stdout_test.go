package main

import (
	"bufio"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Whoever reads tail may stop, as head does: tail then ends well, though nothing comes that it could write.
func TestTailEndsWithItsReader(t *testing.T) {
	t.Parallel()
	b := logged(t)
	for _, last := range []string{"3", "40"} {
		reader, writer, err := os.Pipe()
		require.NoError(t, err)
		done := make(chan int, 1)
		go func() {
			done <- run(t.Context(), world{
				args: []string{"tail", "--json", "-n", last}, stdin: strings.NewReader(""), stdout: writer, stderr: &syncBuffer{}, environ: b.environ,
			})
		}()
		lines := bufio.NewReader(reader)
		for range 3 {
			_, err := lines.ReadString('\n')
			require.NoError(t, err)
		}
		require.NoError(t, reader.Close())
		select {
		case code := <-done:
			require.Equal(t, exitDone, code)
		case <-time.After(time.Minute):
			require.FailNow(t, "tail goes on without a reader")
		}
		require.NoError(t, writer.Close())
	}
}

func TestTailEndsWithItsReaderWhileItWrites(t *testing.T) {
	t.Parallel()
	b := logged(t)
	reader, writer, err := os.Pipe()
	require.NoError(t, err)
	require.NoError(t, reader.Close())
	require.True(t, readerGone(writer))
	require.Equal(t, exitDone, run(t.Context(), world{
		args: []string{"tail", "--no-follow"}, stdin: strings.NewReader(""), stdout: writer, stderr: &syncBuffer{}, environ: b.environ,
	}))
	require.NoError(t, writer.Close())
}
