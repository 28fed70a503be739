package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestABrokerThatIsAwayIsSaidOnce(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := quietly(slog.New(slog.NewTextHandler(&out, nil)), time.Hour)
	for _, client := range []*slog.Logger{logger, logger.With("client", "two"), logger.WithGroup("three")} {
		for range 3 {
			client.Warn(dialComplaint, "addr", "one:9092")
			client.Warn(dialComplaint, "addr", "two:9092")
			client.Warn("another thing", "addr", "one:9092")
		}
	}
	require.Equal(t, 2, strings.Count(out.String(), dialComplaint), out.String())
	require.Equal(t, 9, strings.Count(out.String(), "another thing"), out.String())
	out.Reset()
	logger = quietly(slog.New(slog.NewTextHandler(&out, nil)), 0)
	logger.Warn(dialComplaint, "addr", "one:9092")
	logger.Warn(dialComplaint, "addr", "one:9092")
	require.Equal(t, 2, strings.Count(out.String(), dialComplaint), out.String())
}
