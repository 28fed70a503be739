package payments

import (
	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// Task is something under way: an intent of the gateway's without its outcome.
type Task struct {
	Ledger, PaymentID string
	Kind              providers.Kind
	RefundID          string // of a refund alone
}

// Opens is the task that an event begins, if it begins one.
func Opens(event *ledger.Event) (Task, bool) {
	task := Task{Ledger: event.Ledger, PaymentID: event.Subject}
	switch data := event.Data.(type) {
	case *eventsv1.PaymentStarted:
		task.Kind = providers.KindCreate
	case *eventsv1.PaymentPostRequested:
		task.Kind = providers.KindCharge
	case *eventsv1.PaymentRefundRequested:
		task.Kind, task.RefundID = providers.KindRefund, data.GetRefundId()
	default:
		return task, false
	}
	return task, isOurs(event)
}

// Closes are the tasks that an event ends, if they are under way.
func Closes(event *ledger.Event) []Task {
	create := Task{Ledger: event.Ledger, PaymentID: event.Subject, Kind: providers.KindCreate}
	charge, refund := create, create
	charge.Kind, refund.Kind = providers.KindCharge, providers.KindRefund
	switch data := event.Data.(type) {
	case *eventsv1.PaymentPrepared, *eventsv1.PaymentCancelled:
		return []Task{create}
	case *eventsv1.PaymentPosted:
		return []Task{create, charge}
	case *eventsv1.PaymentFailed:
		p := Payment{Ledger: event.Ledger, ID: event.Subject}
		if event.ID != p.outcomeID(purposeDeclined) {
			return []Task{create} // whether a charge is under way only its provider ends
		}
		return []Task{create, charge}
	case *eventsv1.PaymentRefunded:
		refund.RefundID = data.GetRefundId()
		return []Task{refund}
	case *eventsv1.PaymentRefundFailed:
		refund.RefundID = data.GetRefundId()
		return []Task{refund}
	default:
		return nil
	}
}
