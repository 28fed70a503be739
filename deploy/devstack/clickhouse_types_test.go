package devstack_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

// everything has a column of each type that a store may use.
type everything struct {
	ID       uint64             `ch:"id"`
	Flag     bool               `ch:"flag"`
	Small    int8               `ch:"small"`
	Huge     big.Int            `ch:"huge"`
	Real     float64            `ch:"real"`
	Text     string             `ch:"text"`
	Fixed    string             `ch:"fixed"`
	Key      uuid.UUID          `ch:"key"`
	Day      time.Time          `ch:"day"`
	OldDay   time.Time          `ch:"old_day"`
	Second   time.Time          `ch:"second"`
	Micro    time.Time          `ch:"micro"`
	Local    time.Time          `ch:"local"`
	Kind     string             `ch:"kind"`
	Low      string             `ch:"low"`
	Missing  *string            `ch:"missing"`
	Present  *string            `ch:"present"`
	LowNull  *string            `ch:"low_null"`
	Numbers  []int64            `ch:"numbers"`
	Nested   [][]string         `ch:"nested"`
	Labels   map[string]uint64  `ch:"labels"`
	Pair     []any              `ch:"pair"`
	V4       net.IP             `ch:"v4"`
	V6       net.IP             `ch:"v6"`
	Whatever clickhouse.Variant `ch:"whatever"`
}

const everythingTable = `CREATE TABLE everything (
	id UInt64, flag Bool, small Int8, huge UInt256, real Float64, text String, fixed FixedString(4),
	key UUID, day Date, old_day Date32, second DateTime, micro DateTime64(6), local DateTime64(3, 'Asia/Kathmandu'),
	kind Enum8('payment' = 1, 'refund' = -2), low LowCardinality(String), missing Nullable(String), present Nullable(String),
	low_null LowCardinality(Nullable(String)), numbers Array(Int64), nested Array(Array(String)), labels Map(String, UInt64),
	pair Tuple(String, UInt8), v4 IPv4, v6 IPv6, whatever Variant(String, UInt64)) ENGINE = MergeTree ORDER BY id`

func exampleOf(id uint64) everything {
	kathmandu := time.FixedZone("Asia/Kathmandu", 5*3600+45*60)
	text := "it's \x00 \"\U0001F4B6\" \\ \n\t"
	at := time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC)
	huge, _ := new(big.Int).SetString("115792089237316195423570985008687907853269984665640564039457584007913129639935", 10)
	return everything{
		ID: id, Flag: true, Small: -128, Huge: *huge, Real: 0.1, Text: text, Fixed: "abcd",
		Key: uuid.MustParse("019412d0-0000-7000-8000-000000000001"),
		Day: time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC), OldDay: time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), Second: at.Truncate(time.Second),
		Micro: at, Local: at.Truncate(time.Millisecond).In(kathmandu), Kind: "refund", Low: "low", Present: &text, LowNull: &text,
		Numbers: []int64{-1, 1 << 62}, Nested: [][]string{{"a"}, {}, {"b", text}}, Labels: map[string]uint64{text: 1, "": 1 << 63},
		Pair: []any{text, uint8(255)},
		V4:   net.IP(netip.MustParseAddr("192.0.2.1").AsSlice()), V6: net.IP(netip.MustParseAddr("2001:db8::1").AsSlice()),
		Whatever: clickhouse.NewVariantWithType(id, "UInt64"),
	}
}

// insertAll sends what fill appends as one insert.
func insertAll(t testing.TB, conn driver.Conn, statement string, fill func(batch driver.Batch) error) {
	t.Helper()
	batch, err := conn.PrepareBatch(t.Context(), statement)
	require.NoError(t, err)
	defer func() { _ = batch.Close() }()
	require.NoError(t, fill(batch))
	require.NoError(t, batch.Send())
}

func TestClickHouseKeepsEveryType(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	for name, method := range map[string]clickhouse.CompressionMethod{
		"plain": clickhouse.CompressionNone, "lz4": clickhouse.CompressionLZ4, "zstd": clickhouse.CompressionZSTD,
		"gzip": clickhouse.CompressionGZIP, "deflate": clickhouse.CompressionDeflate, "br": clickhouse.CompressionBrotli,
	} {
		options, err := clickhouse.ParseDSN(base)
		require.NoError(t, err)
		options.Compression = &clickhouse.Compression{Method: method, Level: 3}
		conn, err := clickhouse.Open(options)
		require.NoError(t, err)
		require.NoError(t, conn.Exec(t.Context(), "DROP TABLE IF EXISTS everything SYNC"))
		require.NoError(t, conn.Exec(t.Context(), everythingTable))
		want := []everything{exampleOf(1), exampleOf(2)}
		insertAll(t, conn, "INSERT INTO everything", func(batch driver.Batch) error {
			return errors.Join(batch.AppendStruct(&want[0]), batch.AppendStruct(&want[1]))
		})
		var got []everything
		require.NoError(t, conn.Select(t.Context(), &got, "SELECT * FROM everything ORDER BY id"), name)
		require.Len(t, got, len(want))
		for i := range want {
			require.True(t, want[i].Local.Equal(got[i].Local), "the same moment, %s and %s", want[i].Local, got[i].Local)
			require.Equal(t, "Asia/Kathmandu", got[i].Local.Location().String())
			got[i].Local = want[i].Local
			require.Equal(t, want[i], got[i], name)
		}
		require.NoError(t, conn.Close())
	}
}

func TestClickHouseKeepsDecimalsAndParameters(t *testing.T) {
	t.Parallel()
	conn := clickHouse(t, stacktest.ClickHouse(t))
	require.NoError(t, conn.Exec(t.Context(), `CREATE TABLE amounts (n UInt8, a Decimal(38, 18), b Decimal256(30))
		ENGINE = MergeTree ORDER BY n`))
	for n, amount := range []string{"0", "-1.000000000000000001", "99999999999999999999.999999999999999999"} {
		require.NoError(t, conn.Exec(t.Context(), "INSERT INTO amounts VALUES ({n:UInt8}, {a:Decimal(38, 18)}, {a:Decimal256(30)})",
			clickhouse.Named("n", strconv.Itoa(n)), clickhouse.Named("a", amount)))
		var a, b string
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT toString(a), toString(b) FROM amounts WHERE n = $1", n).Scan(&a, &b))
		require.Equal(t, [2]string{amount, amount}, [2]string{a, b})
	}
}

// A column filled by hand, row after row, in batches larger than a block; read back as a stream, and through database/sql.
func TestClickHouseTakesLargeBatches(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	conn := clickHouse(t, base)
	require.NoError(t, conn.Exec(t.Context(), `CREATE TABLE large (n UInt64, text LowCardinality(String), at DateTime64(6))
		ENGINE = MergeTree ORDER BY n`))
	const rows = 100_000
	for range 2 {
		insertAll(t, conn, "INSERT INTO large", func(batch driver.Batch) error {
			for n := range uint64(rows) {
				if err := batch.Append(n, fmt.Sprint("kind ", n%10), time.UnixMicro(int64(n))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.Equal(t, uint64(2), count(t, conn, "SELECT count() FROM system.parts WHERE table = 'large' AND level = 0 AND active"))
	read, err := conn.Query(t.Context(), "SELECT n, text, at FROM large ORDER BY n")
	require.NoError(t, err)
	defer func() { _ = read.Close() }()
	seen := uint64(0)
	for read.Next() {
		var n uint64
		var text string
		var at time.Time
		require.NoError(t, read.Scan(&n, &text, &at))
		require.Equal(t, seen/2, n)
		require.Equal(t, int64(n), at.UnixMicro())
		seen++
	}
	require.NoError(t, read.Err())
	require.Equal(t, uint64(2*rows), seen)

	options, err := clickhouse.ParseDSN(base)
	require.NoError(t, err)
	db := clickhouse.OpenDB(options)
	defer func() { require.NoError(t, db.Close()) }()
	var kinds int
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT uniqExact(text) FROM large WHERE n >= ?", 5).Scan(&kinds))
	require.Equal(t, 10, kinds)
}

// A client that stops waiting is told so at once, and can ask again. (The server goes on with what it was asked, as servers do, until the
// client's query is killed or it finds nobody to send rows to.)
func TestClickHouseClientsCanGoAway(t *testing.T) {
	t.Parallel()
	base := stacktest.ClickHouse(t)
	conn := clickHouse(t, base)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- conn.Exec(clickhouse.Context(ctx, clickhouse.WithQueryID("left")), endless) }()
	underWay(t, base, "query_id = 'left'")
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	sql(t, base, "KILL QUERY WHERE query_id = 'left' SYNC")
	ctx, cancel = context.WithCancel(t.Context())
	rows, err := conn.Query(clickhouse.Context(ctx, clickhouse.WithQueryID("rows")), "SELECT number FROM numbers(1e15)")
	require.NoError(t, err)
	require.True(t, rows.Next(), rows.Err())
	cancel()
	_ = rows.Close()
	require.Eventually(t, func() bool {
		return sql(t, base, "SELECT count() FROM system.processes WHERE query_id = 'rows'") == "0\n"
	}, patience, 5*time.Millisecond)
	require.Equal(t, uint64(7), count(t, conn, "SELECT toUInt64(7)"))
}
