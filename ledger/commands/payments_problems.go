package commands

import (
	"errors"
	"net/http"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/payments"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// declined is a provider's no.
func declined(reason, message string) *web.Problem {
	detail := "the provider declined: " + reason
	if message != "" {
		detail += ": " + message
	}
	return web.NewProblem(http.StatusPaymentRequired, web.CodeDeclined, detail)
}

// explainPayment is why a payment did not go on, as a problem.
func explainPayment(err error) error {
	if refused, ok := payments.IsRefusal(err); ok {
		return refusedPayment(refused)
	}
	if invalid, ok := errors.AsType[*ledger.Invalid](err); ok {
		return web.InvalidEvent(inBody(invalid), "body.")
	}
	if errors.Is(err, eventlog.ErrUncertain) || errors.Is(err, eventlog.ErrUnreachable) {
		return explainPublish(err)
	}
	return unavailable("how far the payment is cannot be found out now. The same request again goes on where this one ended")
}

func refusedPayment(refused *payments.Refusal) *web.Problem {
	switch refused.Code {
	case payments.CodeUnknown:
		return web.NewProblem(http.StatusNotFound, web.CodeNotFound, "there is no such payment")
	case payments.CodeKeyReused:
		return web.NewProblem(http.StatusConflict, web.CodeKeyReused, refused.Detail)
	case payments.CodeState:
		return web.NewProblem(http.StatusConflict, web.CodeWrongState, refused.Detail)
	case payments.CodeAmount:
		return web.NewProblem(http.StatusConflict, web.CodeWrongAmount, refused.Detail).At("body.amount")
	case payments.CodeOverRefund:
		return web.NewProblem(http.StatusConflict, web.CodeOverRefund, refused.Detail).At("body.amount")
	case payments.CodeProvider:
		return web.NewProblem(http.StatusUnprocessableEntity, web.CodeInvalid, refused.Detail).At("body.provider")
	default:
		return web.NewProblem(http.StatusConflict, web.CodeConflict, refused.Detail)
	}
}
