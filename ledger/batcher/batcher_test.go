package batcher

import (
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gateway answers as it is told, and keeps what it acknowledged by its key. The real one is in ledger/commands' tests.
type gateway struct {
	*httptest.Server

	mu     sync.Mutex
	answer func(attempt int) int
	asked  []time.Time
	taken  map[string]json.RawMessage
}

func newGateway(t *testing.T, answer func(attempt int) int) *gateway {
	t.Helper()
	g := &gateway{answer: answer, taken: map[string]json.RawMessage{}}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, time.Now())
	status := g.answer(len(g.asked))
	if status == 0 { // taken, and the answer is lost
		g.taken[r.Header.Get("Idempotency-Key")] = body
		panic(http.ErrAbortHandler)
	}
	if status == http.StatusCreated {
		g.taken[r.Header.Get("Idempotency-Key")] = body
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `{"code":"told"}`)
}

// total is what was acknowledged, in units of 10^-9.
func (g *gateway) total(t *testing.T) (transactions int, total string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	sum := new(big.Rat)
	for _, body := range g.taken {
		var batch struct {
			TotalValue   string `json:"total_value"`
			Transactions []struct {
				Value string `json:"value"`
			} `json:"transactions"`
		}
		require.NoError(t, json.Unmarshal(body, &batch))
		of := new(big.Rat)
		for _, one := range batch.Transactions {
			value, ok := new(big.Rat).SetString(one.Value)
			require.True(t, ok)
			of.Add(of, value)
		}
		said, ok := new(big.Rat).SetString(batch.TotalValue)
		require.True(t, ok)
		require.Zero(t, of.Cmp(said))
		sum.Add(sum, of)
		transactions += len(batch.Transactions)
	}
	return transactions, sum.FloatString(9)
}

func config(t *testing.T, g *gateway) Config {
	t.Helper()
	return Config{
		URL: g.URL, Key: "k", Dir: t.TempDir(), PluginID: "blog-7", PaymentPointer: "$wallet.example/ada", AssetCode: "USD", AssetScale: 9,
		MaxTransactions: 10, MaxAge: time.Hour, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

func opened(t *testing.T, c Config) *Batcher {
	t.Helper()
	b, err := Open(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

func add(t *testing.T, b *Batcher, count int) {
	t.Helper()
	for i := range count {
		require.NoError(t, b.Add(Transaction{Value: big.NewInt(134_000), PostID: strconv.Itoa(i)}))
	}
}

func taken(int) int { return http.StatusCreated }

func TestBatchesAreSentWhenFullAndOnFlush(t *testing.T) {
	t.Parallel()
	g := newGateway(t, taken)
	b := opened(t, config(t, g))
	add(t, b, 25)
	require.NoError(t, b.Flush(t.Context()))
	count, total := g.total(t)
	require.Equal(t, 25, count)
	require.Equal(t, "0.003350000", total)
	require.Len(t, g.taken, 3)
}

func TestABatchIsSentWhenItIsOld(t *testing.T) {
	t.Parallel()
	g := newGateway(t, taken)
	c := config(t, g)
	c.MaxAge = time.Millisecond
	add(t, opened(t, c), 1)
	require.Eventually(t, func() bool { count, _ := g.total(t); return count == 1 }, time.Minute, time.Millisecond)
}

// Answers are lost, the gateway is away, and then it is back: all is there once.
func TestAllIsThereOnceWhateverTheAnswers(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(attempt int) int { return []int{0, 503, 401, 201, 0, 429, 201}[attempt%7] })
	b := opened(t, config(t, g))
	add(t, b, 50)
	require.NoError(t, b.Flush(t.Context()))
	count, _ := g.total(t)
	require.Equal(t, 50, count)
}

// What waits outlives the process, and what another one holds is not touched.
func TestTheNextOneGoesOn(t *testing.T) {
	t.Parallel()
	away := newGateway(t, func(int) int { return http.StatusServiceUnavailable })
	c := config(t, away)
	b, err := Open(c)
	require.NoError(t, err)
	_, err = Open(c)
	require.ErrorContains(t, err, "another batcher's")
	add(t, b, 15)
	require.NoError(t, os.WriteFile(filepath.Join(c.Dir, "torn.half"), []byte("{"), 0o600)) // as a crash leaves it
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Add(Transaction{Value: new(big.Int)}), ErrClosed)
	require.NoError(t, b.Close())
	back := newGateway(t, taken)
	c.URL = back.URL
	require.NoError(t, opened(t, c).Flush(t.Context()))
	count, _ := back.total(t)
	require.Equal(t, 15, count)
}

func TestWhatIsRefusedIsKeptBesideAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(attempt int) int {
		if attempt == 1 {
			return http.StatusUnprocessableEntity
		}
		return http.StatusCreated
	})
	c := config(t, g)
	b := opened(t, c)
	add(t, b, 20)
	require.NoError(t, b.Flush(t.Context()))
	count, _ := g.total(t)
	require.Equal(t, 10, count)
	kept, err := filepath.Glob(filepath.Join(c.Dir, "refused", "*.json"))
	require.NoError(t, err)
	require.Len(t, kept, 2) // the batch, and why
	why, err := os.ReadFile(kept[1])
	require.NoError(t, err)
	require.JSONEq(t, `{"code":"told"}`, string(why))
}

func TestTheFolderIsBounded(t *testing.T) {
	t.Parallel()
	g := newGateway(t, func(int) int { return http.StatusServiceUnavailable })
	c := config(t, g)
	c.MaxBytes = 1_000
	b := opened(t, c)
	var err error
	for range 1_000 {
		if err = b.Add(Transaction{Value: big.NewInt(1)}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, ErrFull)
}

// clocked is a gateway that takes all and notes when, by the bubble's clock.
type clocked struct{ asked []time.Time }

func (c *clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked = append(c.asked, time.Now())
	return &http.Response{StatusCode: http.StatusCreated, Body: http.NoBody, Request: r}, nil
}

func TestTheWindowIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g := &clocked{}
		c := Config{
			URL: "http://gateway", Dir: dir, PluginID: "p", PaymentPointer: "$w.example", AssetCode: "USD", AssetScale: 9,
			MaxTransactions: 1, MaxBatches: 2, Window: time.Minute, Client: &http.Client{Transport: g},
		}
		b := opened(t, c)
		began := time.Now()
		add(t, b, 7)
		require.NoError(t, b.Flush(t.Context()))
		for i, at := range g.asked {
			require.Equal(t, time.Duration(i/2)*time.Minute, at.Sub(began))
		}
		require.Len(t, g.asked, 7)
	})
}

func TestWhatOpenRefuses(t *testing.T) {
	t.Parallel()
	g := newGateway(t, taken)
	for _, spoil := range []func(*Config){
		func(c *Config) { c.PluginID = "" },
		func(c *Config) { c.AssetScale = 19 },
		func(c *Config) { c.MaxBatches = 1 },
	} {
		c := config(t, g)
		spoil(&c)
		_, err := Open(c)
		require.Error(t, err)
	}
	b := opened(t, config(t, g))
	require.Error(t, b.Add(Transaction{}))
	require.Error(t, b.Add(Transaction{Value: big.NewInt(-1)}))
}
