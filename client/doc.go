// Package client calls the HTTP API of a gateway from Go.
//
//	tributary, err := client.New("https://pay.example", os.Getenv("TRIBUTARY_API_KEY"))
//	…
//	paid, err := tributary.PostPayment(ctx, "pay-1042", &client.PostPaymentParams{IdempotencyKey: new("charge-1042")},
//		client.PaymentPost{TransactionID: "ch_77", Amount: client.Money{Value: "1250", AssetCode: "EUR", AssetScale: 2}})
//	if refused, ok := errors.AsType[*client.Error](err); ok && refused.Code == "declined" {
//		…
//	}
//	receipt, err := tributary.GetReceipt(ctx, paid.Value.ReceiptID, &client.GetReceiptParams{After: paid.Position})
//
// A call that failed is safe to make again under the same idempotency key: what was done is not done twice. Most of the package is
// generated from the gateway's own description of itself (/openapi-3.0.json), with "make generate".
package client
