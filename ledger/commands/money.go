package commands

import (
	"time"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Money is an amount in a body, as events have it.
type Money struct {
	Value      string `json:"value" example:"1250" maxLength:"40" doc:"An integer, in units of 10^-asset_scale."`
	AssetCode  string `json:"asset_code" example:"EUR" maxLength:"12"`
	AssetScale uint32 `json:"asset_scale" example:"2" maximum:"18" doc:"Decimals: 2 for cents."`
}

// event is the amount as events have it.
func (m Money) event() *eventsv1.Money {
	return &eventsv1.Money{Value: m.Value, AssetCode: m.AssetCode, AssetScale: &m.AssetScale}
}

// When is the input of every write that the caller may date.
type When struct {
	Time string `json:"time,omitempty" example:"2026-01-31T09:30:00Z" maxLength:"40" doc:"When it happened, RFC 3339; now, when absent."`
}

// at is when it happened, by the caller or else by the clock.
func (c *Commands) at(w When) (time.Time, error) {
	if w.Time == "" {
		return c.Now(), nil
	}
	at, err := ledger.ParseTime(w.Time)
	if err != nil {
		return at, web.InvalidEvent(&ledger.Invalid{Code: ledger.CodeBadTime, Path: "time", Message: "it is " + err.Error()}, "body.")
	}
	return at, nil
}
