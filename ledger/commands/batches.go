package commands

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

const (
	maxBatchBytes   = 8 << 20
	maxTransactions = 5_000
	// The asset of a batch that names none: what wallets of web monetization send in.
	defaultAsset = "USD"
	defaultScale = 9
)

// Decimal is an amount in whole units of its asset, as a number or as text; it never becomes a float.
type Decimal string

// UnmarshalJSON keeps a number's digits.
func (d *Decimal) UnmarshalJSON(text []byte) error {
	*d = Decimal(bytes.Trim(text, `"`))
	return nil
}

// Schema tells huma of both forms.
func (Decimal) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{
		OneOf:       []*huma.Schema{{Type: huma.TypeString, MaxLength: new(60)}, {Type: huma.TypeNumber}},
		Description: "In whole units: \"0.000134\", or the same as a number.", Examples: []any{"0.000134"},
	}
}

// Batch is what a site's plugin gathered since its last batch.
type Batch struct {
	PluginID       string        `json:"plugin_id" example:"blog-7" maxLength:"64"`
	PaymentPointer string        `json:"payment_pointer" example:"$wallet.example/ada" maxLength:"1024"`
	Date           string        `json:"date" example:"2026-01-31T09:30:00Z" maxLength:"40" doc:"When it was gathered: RFC 3339, or a day in UTC."`
	TotalValue     Decimal       `json:"total_value" doc:"The sum of the transactions' values, exactly."`
	AssetCode      string        `json:"asset_code,omitempty" example:"USD" maxLength:"12" doc:"USD when absent."`
	AssetScale     *uint32       `json:"asset_scale,omitempty" example:"9" maximum:"18" doc:"How many decimals values may have; 9 when absent."`
	Transactions   []Transaction `json:"transactions" minItems:"1" maxItems:"5000"`
}

// Transaction is one payment that a visitor's wallet streamed.
type Transaction struct {
	Date      string  `json:"date,omitempty" example:"2026-01-31T09:29:58Z" maxLength:"40" doc:"The batch's date when absent."`
	Value     Decimal `json:"value"`
	PostID    string  `json:"post_id,omitempty" example:"post-12" maxLength:"1024"`
	PostTitle string  `json:"post_title,omitempty" example:"How we moved to Kafka" maxLength:"1024" doc:"The post's title from now on."`
	SessionID string  `json:"session_id,omitempty" maxLength:"1024"`
}

// BatchResult says what of a batch is in the log: all of it.
type BatchResult struct {
	Transactions int    `json:"transactions" example:"3" doc:"How many were taken: all."`
	TotalValue   string `json:"total_value" example:"0.000402" doc:"Their sum."`
	AssetCode    string `json:"asset_code" example:"USD"`
}

type batchInput struct {
	Key

	RawBody []byte `contentType:"application/json"`
}

type batchOutput struct {
	Accepted

	Body BatchResult
}

func (c *Commands) registerBatches(api huma.API) {
	op := write("/v1/monetization/batches", "publish-batch", "Report what a site earned",
		"Takes a batch of a site's plugin, all of it or nothing: the transactions are in the log together, in one transaction of Kafka, "+
			"or none is. Their sum has to be total_value. Without an Idempotency-Key the batch's own content is its key, so that a plugin "+
			"that sends a batch again never counts twice. Names in camelCase (pluginId, totalValue, postTitle) are read as well.",
		web.ScopeMonetizationWrite)
	op.Tags, op.MaxBodyBytes, op.RequestBody = []string{"Monetization"}, maxBatchBytes, &huma.RequestBody{Required: true}
	op.SkipValidateBody = true // huma would read the names as they are; readBatch is as strict
	body := op.RequestBody
	huma.Register(api, op, c.publishBatch)
	schema := huma.SchemaFromType(api.OpenAPI().Components.Schemas, reflect.TypeFor[Batch]())
	body.Content = map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

func (c *Commands) publishBatch(ctx context.Context, in *batchInput) (*batchOutput, error) {
	batch, err := readBatch(in.RawBody)
	if err != nil {
		return nil, err
	}
	caller := web.Caller(ctx)
	if err := owned(caller, batch.PluginID, "body.plugin_id"); err != nil {
		return nil, err
	}
	key := in.IdempotencyKey
	if key == "" {
		key = batch.contentKey()
	}
	events, total, err := batch.events(caller, newIdentity(caller, "/v1/monetization/batches", key))
	if err != nil {
		return nil, err
	}
	positions, err := c.publishAtomic(ctx, events...)
	if err != nil {
		return nil, err
	}
	return &batchOutput{Accepted: accepted(highest(positions)), Body: BatchResult{
		Transactions: len(batch.Transactions), TotalValue: ledger.FormatUnits(total), AssetCode: batch.AssetCode,
	}}, nil
}

// readBatch reads a body strictly, whose names may be in camelCase.
func readBatch(body []byte) (*Batch, error) {
	var raw any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	err := decoder.Decode(&raw)
	if err == nil && decoder.More() {
		err = errors.New("something follows the batch")
	}
	if err != nil {
		return nil, web.NewProblem(http.StatusBadRequest, web.CodeBadRequest, "the body is no JSON: "+err.Error())
	}
	snake, err := json.Marshal(snakeCase(raw))
	if err != nil {
		return nil, fmt.Errorf("write a batch as JSON: %w", err)
	}
	scale := uint32(defaultScale)
	batch := Batch{AssetCode: defaultAsset, AssetScale: &scale}
	decoder = json.NewDecoder(bytes.NewReader(snake))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&batch); err != nil {
		return nil, web.NewProblem(http.StatusUnprocessableEntity, web.CodeInvalid, "the batch has not the form it should have: "+
			strings.TrimPrefix(err.Error(), "json: ")).At("body")
	}
	if n := len(batch.Transactions); n == 0 || n > maxTransactions {
		return nil, web.NewProblem(http.StatusUnprocessableEntity, web.CodeInvalid,
			fmt.Sprintf("the batch has %d transactions: send 1 to %d", n, maxTransactions)).At("body.transactions")
	}
	if batch.AssetScale == nil { // null is as good as absent
		batch.AssetScale = &scale
	}
	if *batch.AssetScale > ledger.AmountScale {
		return nil, web.NewProblem(http.StatusUnprocessableEntity, web.Code(ledger.CodeBadAmount),
			fmt.Sprintf("the scale is %d: want 0 to %d", *batch.AssetScale, ledger.AmountScale)).At("body.asset_scale")
	}
	return &batch, nil
}

// snakeCase renames the camelCase names of a batch, at any depth.
func snakeCase(value any) any {
	switch v := value.(type) {
	case map[string]any:
		renamed := make(map[string]any, len(v))
		for name, inner := range v {
			renamed[snakeName(name)] = snakeCase(inner)
		}
		return renamed
	case []any:
		for i := range v {
			v[i] = snakeCase(v[i])
		}
	}
	return value
}

func snakeName(name string) string {
	switch name {
	case "pluginId", "paymentPointer", "totalValue", "assetCode", "assetScale", "postId", "postTitle", "sessionId":
		var b strings.Builder
		for _, r := range name {
			if r >= 'A' && r <= 'Z' {
				b.WriteByte('_')
				r += 'a' - 'A'
			}
			b.WriteRune(r)
		}
		return b.String()
	}
	return name
}

// contentKey is the key of a batch whose sender gave none: the same batch again has the same.
func (b *Batch) contentKey() string {
	text, err := json.Marshal(b)
	if err != nil {
		panic(err) // it was read from JSON
	}
	sum := sha256.Sum256(text)
	return "content " + hex.EncodeToString(sum[:])
}

// events are the batch's: each transaction, and the title of each post that it names one for.
func (b *Batch) events(caller *web.Principal, ids identity) (events []*ledger.Event, total *big.Int, err error) {
	gathered, err := batchTime(b.Date, "body.date")
	if err != nil {
		return nil, nil, err
	}
	total = new(big.Int)
	titles := map[string]string{}
	for i := range b.Transactions {
		t, path := &b.Transactions[i], fmt.Sprintf("body.transactions[%d].", i)
		at := gathered
		if t.Date != "" {
			if at, err = batchTime(t.Date, path+"date"); err != nil {
				return nil, nil, err
			}
		}
		value, err := b.units(t.Value, path+"value")
		if err != nil {
			return nil, nil, err
		}
		total.Add(total, value)
		if t.PostTitle != "" && t.PostID != "" && titles[t.PostID] != t.PostTitle {
			titles[t.PostID] = t.PostTitle
			events = append(events, event(caller, ids.id(fmt.Sprintf("title %d", i)), at, &eventsv1.PostPublished{
				PluginId: b.PluginID, PostId: t.PostID, Title: t.PostTitle,
			}))
		}
		received := event(caller, ids.id(fmt.Sprintf("transaction %d", i)), at, &eventsv1.MonetizationReceived{
			PluginId: b.PluginID, PaymentPointer: b.PaymentPointer, PostId: t.PostID, SessionId: t.SessionID,
			Amount: b.money(value),
		})
		if invalid := ledger.Validate(received); invalid != nil {
			return nil, nil, b.refuse(invalid, path)
		}
		events = append(events, received)
	}
	return events, total, b.checkTotal(total)
}

// refuse names the field of the batch at which an event is invalid: those of all transactions stand at its head.
func (b *Batch) refuse(invalid *ledger.Invalid, path string) error {
	where := inBody(invalid)
	if strings.HasPrefix(where.Path, "plugin_id") || strings.HasPrefix(where.Path, "payment_pointer") {
		path = "body."
	}
	if rest, found := strings.CutPrefix(where.Path, "amount."); found {
		if where.Path = rest; rest != "value" {
			path = "body."
		}
	}
	return web.InvalidEvent(where, path)
}

func (b *Batch) checkTotal(total *big.Int) error {
	said, err := b.units(b.TotalValue, "body.total_value")
	if err != nil {
		return err
	}
	if said.Cmp(total) != 0 {
		return web.NewProblem(http.StatusUnprocessableEntity, web.CodeSumMismatch, fmt.Sprintf(
			"total_value is %s, and the transactions add up to %s; nothing was taken", b.TotalValue, ledger.FormatUnits(total)),
		).At("body.total_value")
	}
	return nil
}

// units is a value in units of 10^-18, which must have no more decimals than the asset.
func (b *Batch) units(value Decimal, path string) (*big.Int, error) {
	bad := func(why string) error {
		return web.NewProblem(http.StatusUnprocessableEntity, web.Code(ledger.CodeBadAmount), why).At(path)
	}
	units, ok := ledger.ParseUnits(string(value))
	if !ok {
		return nil, bad(fmt.Sprintf("%.48q is no decimal such as 0.000134", string(value)))
	}
	if units.Sign() < 0 {
		return nil, bad("a value is not below 0")
	}
	if _, rest := new(big.Int).QuoRem(units, b.step(), new(big.Int)); rest.Sign() != 0 {
		return nil, bad(fmt.Sprintf("%s has more decimals than asset_scale, %d", value, *b.AssetScale))
	}
	return units, nil
}

// step is the asset's smallest unit, in units of 10^-18.
func (b *Batch) step() *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(ledger.AmountScale-*b.AssetScale)), nil)
}

func (b *Batch) money(units *big.Int) *eventsv1.Money {
	return &eventsv1.Money{
		Value: new(big.Int).Quo(units, b.step()).String(), AssetCode: b.AssetCode, AssetScale: b.AssetScale,
	}
}

func batchTime(text, path string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	at, err := ledger.ParseTime(text)
	if err != nil {
		return at, web.NewProblem(http.StatusUnprocessableEntity, web.Code(ledger.CodeBadTime), "it is "+err.Error()).At(path)
	}
	return at, nil
}
