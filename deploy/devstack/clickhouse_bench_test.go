package devstack_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack"
	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func BenchmarkClickHouseStart(b *testing.B) {
	home := b.TempDir()
	for b.Loop() {
		server, err := devstack.StartClickHouse(b.Context(), devstack.ClickHouseOptions{Home: home, Small: true})
		require.NoError(b, err)
		b.StopTimer()
		require.NoError(b, server.Stop(b.Context()))
		b.StartTimer()
	}
}

func BenchmarkClickHouseSelect1(b *testing.B) {
	conn := clickHouse(b, stacktest.LargeClickHouse(b).URL())
	for b.Loop() {
		require.Equal(b, uint64(1), count(b, conn, "SELECT toUInt64(1)"))
	}
}

// The bare insert path: blocks of 100,000 rows in ClickHouse's own form over HTTP, each one part, with fsync.
func BenchmarkClickHouseInsert(b *testing.B) {
	const rows = 100_000
	for _, columns := range []int{5, 20} {
		b.Run(fmt.Sprintf("columns=%d", columns), func(b *testing.B) {
			server := stacktest.LargeClickHouse(b)
			base := server.URL()
			var table strings.Builder
			table.WriteString("CREATE TABLE filled (n UInt64")
			for i := 1; i < columns; i++ {
				fmt.Fprintf(&table, ", c%d %s", i, []string{"String", "UInt64", "Int64"}[i%3])
			}
			sql(b, base, table.String()+") ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1, fsync_part_directory = 1")
			body := nativeBlock(b, rows, columns)
			params := url.Values{"query": {"INSERT INTO filled FORMAT Native"}, "max_insert_threads": {"1"}, "input_format_parallel_parsing": {"0"}}
			client := &http.Client{Timeout: patience}
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, base+"/?"+params.Encode(), bytes.NewReader(body))
				require.NoError(b, err)
				resp, err := client.Do(req)
				require.NoError(b, err)
				require.NoError(b, resp.Body.Close())
				require.Equal(b, http.StatusOK, resp.StatusCode)
			}
			b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(residentBytes(b, server.PID())>>20), "MB-resident")
		})
	}
}

// nativeBlock is one block with a key, strings and numbers by turns.
func nativeBlock(b *testing.B, rows, columns int) []byte {
	b.Helper()
	var key proto.ColUInt64
	for n := range rows {
		key.Append(uint64(n))
	}
	input := proto.Input{{Name: "n", Data: &key}}
	for i := 1; i < columns; i++ {
		name := fmt.Sprintf("c%d", i)
		var text proto.ColStr
		var unsigned proto.ColUInt64
		var signed proto.ColInt64
		for n := range rows {
			text.Append(fmt.Sprintf("text %d", n%1000))
			unsigned.Append(uint64(n * i))
			signed.Append(-int64(n * i))
		}
		input = append(input, []proto.InputColumn{{Name: name, Data: &text}, {Name: name, Data: &unsigned}, {Name: name, Data: &signed}}[i%3])
	}
	var buffer proto.Buffer
	block := proto.Block{Rows: rows, Columns: columns}
	require.NoError(b, block.EncodeRawBlock(&buffer, 0, input))
	return buffer.Buf
}
