package ledger_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

func tenTo(exponent int64) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(exponent), nil)
}

// drawValue draws an integer near the ends of what words, halves of amounts and amounts hold, or anywhere.
func drawValue(t *rapid.T) *big.Int {
	near := rapid.SampledFrom([]*big.Int{
		new(big.Int), tenTo(18), tenTo(19), tenTo(20), tenTo(37), tenTo(38), tenTo(39),
		new(big.Int).Lsh(big.NewInt(1), 63), new(big.Int).Lsh(big.NewInt(1), 64), new(big.Int).Lsh(big.NewInt(1), 127),
		new(big.Int).Lsh(big.NewInt(1), 128), new(big.Int).SetBytes(rapid.SliceOfN(rapid.Byte(), 1, 17).Draw(t, "bytes")),
	}).Draw(t, "near")
	n := new(big.Int).Add(near, big.NewInt(rapid.Int64Range(-2, 2).Draw(t, "offset")))
	return n.Abs(n)
}

func TestParseAmountAgreesWithBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n, scale := drawValue(t), rapid.Uint32Range(0, ledger.AmountScale).Draw(t, "scale")
		value := strings.Repeat("0", rapid.IntRange(0, 3).Draw(t, "zeros")) + n.String()
		units := new(big.Int).Mul(n, tenTo(int64(ledger.AmountScale-scale)))

		a, err := ledger.ParseAmount(value, scale)
		minus, minusErr := ledger.ParseAmount("-"+value, scale)
		if units.Cmp(tenTo(ledger.MaxWholeDigits+ledger.AmountScale)) >= 0 {
			require.ErrorIs(t, err, ledger.ErrTooLarge)
			require.ErrorIs(t, minusErr, ledger.ErrTooLarge)
			return
		}
		require.NoError(t, err)
		require.Equal(t, units.String(), a.Big().String())
		require.Equal(t, a, minus)
		if a.IsZero() {
			require.NoError(t, minusErr)
		} else {
			require.ErrorIs(t, minusErr, ledger.ErrNegative)
		}
		require.Equal(t, ledger.FormatUnits(units), a.String())
		shortest, ok := new(big.Rat).SetString(a.String())
		require.True(t, ok)
		require.Zero(t, shortest.Cmp(new(big.Rat).SetFrac(units, tenTo(ledger.AmountScale))))
	})
}

func TestParseAmountRefuses(t *testing.T) {
	t.Parallel()
	for _, value := range []string{
		"", "-", "--1", "+1", "1.0", "1e3", " 1", "1 ", "0x1", "٣", "1\x00", "1_000", "-" + strings.Repeat("9", 40) + "x",
	} {
		_, err := ledger.ParseAmount(value, 2)
		require.ErrorIs(t, err, ledger.ErrNotInteger, "%q", value)
	}
	_, err := ledger.ParseAmount("1", ledger.AmountScale+1)
	require.ErrorIs(t, err, ledger.ErrScale)
}

func TestAmountArithmeticAgreesWithBig(t *testing.T) {
	t.Parallel()
	limit := tenTo(ledger.MaxWholeDigits + ledger.AmountScale)
	rapid.Check(t, func(t *rapid.T) {
		x, y := new(big.Int).Mod(drawValue(t), limit), new(big.Int).Mod(drawValue(t), limit)
		a, err := ledger.ParseAmount(x.String(), ledger.AmountScale)
		require.NoError(t, err)
		b, err := ledger.ParseAmount(y.String(), ledger.AmountScale)
		require.NoError(t, err)

		require.Equal(t, x.Cmp(y), a.Cmp(b))
		total := new(big.Int).Add(x, y)
		require.Equal(t, total.String(), a.Add(b).Big().String())
		require.Equal(t, ledger.FormatUnits(total), a.Add(b).String())
		if x.Cmp(y) >= 0 {
			require.Equal(t, new(big.Int).Sub(x, y).String(), a.Sub(b).Big().String())
		}
		require.Equal(t, a.String(), string(a.Append(nil)))
	})
}

// Sums go on where amounts end.
func TestSumAgreesWithBig(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var sum ledger.Sum
		want := new(big.Int)
		for range rapid.IntRange(0, 40).Draw(t, "adds") {
			n := new(big.Int).Mod(drawValue(t), tenTo(ledger.MaxWholeDigits+ledger.AmountScale))
			a, err := ledger.ParseAmount(n.String(), ledger.AmountScale)
			require.NoError(t, err)
			sum.Add(a)
			want.Add(want, n)
		}
		require.Equal(t, want.String(), sum.Big().String())
		require.Equal(t, ledger.FormatUnits(want), sum.String())
		require.Equal(t, want.Sign() == 0, sum.IsZero())
	})
}

// The carry goes through all four words.
func TestSumCarries(t *testing.T) {
	t.Parallel()
	sum := ledger.Sum{^uint64(0), ^uint64(0), ^uint64(0), 0}
	sum.Add(ledger.Amount{Lo: 1})
	require.Equal(t, ledger.Sum{0, 0, 0, 1}, sum)
}

func TestMoneyAmount(t *testing.T) {
	t.Parallel()
	require.True(t, ledger.MoneyAmount(nil).IsZero())
	m := &eventsv1.Money{Value: "-1250", AssetCode: "GBP", AssetScale: new(uint32(2))}
	require.Equal(t, "12.5", ledger.MoneyAmount(m).String())
}
