package clickhouse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/tributary-ledger/tributary/ledger/eventlog"
)

// block is rows as one block of the format Native, up to its last column: that of the epochs, which are known
// when it is sent only.
type block struct {
	// columns are the names of all of them.
	columns []string
	body    []byte
	runs    []run
}

// run is rows of one partition, one behind the other.
type run struct {
	partition eventlog.TopicPartition
	rows      int
	// last is the offset of the last of them.
	last int64
}

const (
	// revision is that of the format in a body: without those of the native protocol.
	revision = 0
	// epochColumn is the last one.
	epochColumn = "epoch"
)

// rows is how many rows the block has.
func (b *block) rows() int {
	n := 0
	for _, r := range b.runs {
		n += r.rows
	}
	return n
}

// encodeRows adds to folded rows where they come from, and encodes them but for the epochs.
func encodeRows(folded proto.Input, records []eventlog.Record) (*block, error) {
	b := &block{}
	topics, partitions, offsets := new(proto.ColStr).LowCardinality(), make(proto.ColInt32, len(records)), make(proto.ColInt64, len(records))
	for i := range records {
		at := records[i].Position
		topics.Append(at.Topic)
		partitions[i], offsets[i] = at.Partition, at.Offset
		if n := len(b.runs); n == 0 || b.runs[n-1].partition != at.TopicPartition() {
			b.runs = append(b.runs, run{partition: at.TopicPartition()})
		}
		r := &b.runs[len(b.runs)-1]
		r.rows++
		r.last = at.Offset
	}
	input := slices.Concat(folded, proto.Input{
		{Name: "topic", Data: topics},
		{Name: "partition", Data: &partitions},
		{Name: "kafka_offset", Data: &offsets},
	})
	b.columns = append(names(input), epochColumn)
	var buf proto.Buffer
	header := proto.Block{Columns: len(b.columns), Rows: len(records)}
	if err := header.EncodeRawBlock(&buf, revision, input); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	b.body = buf.Buf
	return b, nil
}

// sealed is the whole body, with the epochs of the partitions' owner.
func (b *block) sealed(epochs map[eventlog.TopicPartition]int64) []byte {
	column := make(proto.ColInt64, 0, b.rows())
	for _, r := range b.runs {
		for range r.rows {
			column = append(column, epochs[r.partition])
		}
	}
	buf := proto.Buffer{Buf: slices.Clip(b.body)}
	proto.InputColumn{Name: epochColumn, Data: &column}.EncodeStart(&buf, revision)
	column.EncodeColumn(&buf)
	return buf.Buf
}

// encodeAside encodes the rows of an aside.
func encodeAside(folded proto.Input) ([]byte, error) {
	var buf proto.Buffer
	header := proto.Block{Columns: len(folded), Rows: rowsOf(folded)}
	if err := header.EncodeRawBlock(&buf, revision, folded); err != nil {
		return nil, fmt.Errorf("encode rows: %w", err)
	}
	return buf.Buf, nil
}

func rowsOf(input proto.Input) int {
	if len(input) == 0 {
		return 0
	}
	return input[0].Data.Rows()
}

func names(input proto.Input) []string {
	all := make([]string, len(input))
	for i, column := range input {
		all[i] = column.Name
	}
	return all
}

// columnList is names as a statement has them.
func columnList(columns []string) string {
	quoted := make([]string, len(columns))
	for i, column := range columns {
		quoted[i] = identifier(column)
	}
	return strings.Join(quoted, ", ")
}
