package web

import (
	"net/http"

	"github.com/tributary-ledger/tributary/ledger"
)

// explanation is what /docs/errors says of a code.
type explanation struct {
	Code    string
	Status  int
	Meaning string
	Mend    string
	Path    string // of the example
	Detail  string // of the example
}

// explanations are of every code that a problem can have.
func explanations() []explanation {
	all := requestExplanations()
	for _, e := range eventExplanations() {
		e.Status = http.StatusUnprocessableEntity
		all = append(all, e)
	}
	return all
}

func requestExplanations() []explanation {
	return []explanation{
		{
			string(CodeBadRequest), http.StatusBadRequest, "The request cannot be read: its body is no JSON, or its address no text.",
			"Send what the call's description shows.", "", "unexpected end of JSON input",
		},
		{
			string(CodeInvalid), http.StatusUnprocessableEntity, "The request can be read, and breaks the rules of its call. Each field is in errors.",
			"Mend the fields; nothing was written.", "body.amount", "expected required property amount to be present",
		},
		{
			string(CodeUnauthenticated), http.StatusUnauthorized, "It is not known who calls: no key was sent, or one that is wrong, revoked or expired.",
			"Send Authorization: Bearer with a key of `tributary keys create`, or a token of the configured issuer.", "", "no such API key",
		},
		{
			string(CodeForbidden), http.StatusForbidden, "The key is good, but not for this: it lacks the scope, or the merchant or site is not among its own.",
			"Use a key that may: `GET /v1/caller` tells what a key is good for.", "", "this key lacks the scope payments:write",
		},
		{
			string(CodeNotFound), http.StatusNotFound, "It is not there, or it is not the key's to know of; which of the two is not told.",
			"Look at the id, and at the ledger of the key. What was written a moment ago is there with ?after=.", "", "there is no payment pay-1042",
		},
		{
			string(CodeNotAllowed), http.StatusMethodNotAllowed, "The address is there, and takes other methods.",
			"The header Allow names them.", "", "this address takes GET, HEAD alone",
		},
		{
			string(CodeConflict), http.StatusConflict, "It contradicts what is in the books: a payment that was started, or charged, by another request.",
			"Read what the books have, and decide anew; to repeat it changes nothing.", "", "payment pay-1042 is being charged by another request",
		},
		{
			string(CodeKeyReused), http.StatusConflict, "The Idempotency-Key came before, with another body.",
			"Use a new key for a new request; repeat a request with the body it had.", "", "this Idempotency-Key came with another body",
		},
		{
			string(CodeDeclined), http.StatusPaymentRequired, "The payment's provider said no, to a payment or to a refund. Its word is final.",
			"Start another payment; a refund that was declined is to be settled with the provider.", "",
			"the provider declined: sandbox_declined",
		},
		{
			string(CodeWrongState), http.StatusConflict, "The payment is not where it would have to be: it has failed, or nothing was posted yet.",
			"The detail says where it is; start another payment, or refund this one.", "", "payment pay-1042 is posted; refund it",
		},
		{
			string(CodeWrongAmount), http.StatusConflict, "The amount is not the payment's, or is of another asset.",
			"Post what the payment was started with.", "body.amount", "payment pay-1042 was started with 12.50 EUR, not 12.00 EUR",
		},
		{
			string(CodeOverRefund), http.StatusConflict, "More would be refunded than was posted, with what is being refunded or is disputed.",
			"Leave the amount out to refund what is left.", "body.amount", "of payment pay-1042 2.50 EUR can be refunded, not 3.00 EUR",
		},
		{
			string(CodeSumMismatch), http.StatusUnprocessableEntity, "A batch's total_value is not what its entries come to.",
			"Add the entries up as decimals, not as floats; nothing of the batch was written.", "body.total_value", "0.30 is not the sum of the entries, 0.31",
		},
		{
			string(CodeTooLarge), http.StatusRequestEntityTooLarge, "The body is larger than the call takes.",
			"Send it in parts.", "", "request body is too large limit=1048576 bytes",
		},
		{
			string(CodeMediaType), http.StatusUnsupportedMediaType, "The Content-Type is none that the call takes.",
			"Send application/json, or what the call's description names.", "", "unknown content type: text/xml",
		},
		{
			string(CodeRateLimited), http.StatusTooManyRequests, "The key makes more requests a second than it may, or too many wrong keys come from one address.",
			"Wait for Retry-After seconds; the headers RateLimit-Policy and RateLimit tell how much there is, and is left.", "",
			"this key may make 1000 requests a second; send it again after Retry-After",
		},
		{
			string(CodeInternal), http.StatusInternalServerError, "A bug of ours. Whether anything was written is not known.",
			"Repeat it with the same Idempotency-Key, and tell us the X-Request-Id.", "", "this is our bug; its trace is 5KJZ3W",
		},
		{
			string(CodeUnavailable), http.StatusServiceUnavailable, "A server that is needed is away or slow. What was to be written may be, or not.",
			"Repeat it with the same Idempotency-Key after Retry-After seconds: it counts once.", "", "the log does not answer; send it again",
		},
		{
			string(CodeNotYet), http.StatusServiceUnavailable, "The books are not past the positions of ?after= yet.",
			"Ask again after Retry-After seconds.", "query.after", "the books are not past payments/3@1042 yet",
		},
	}
}

// eventExplanations are of the rules of events, which docs/events.md has with every case.
func eventExplanations() []explanation {
	const scale = "Write amounts as whole units of 10^-asset_scale, in quotes: 12.50 EUR is {\"value\":\"1250\",\"asset_code\":\"EUR\",\"asset_scale\":2}."
	return []explanation{
		{
			string(ledger.CodeBadEnvelope), 0, "An attribute of the event's envelope breaks its rule.",
			"See the attribute that path names.", "body.specversion", `"0.3" is not "1.0"`,
		},
		{
			string(ledger.CodeUnknownType), 0, "No event has this type.", "Correct it, or upgrade if it is a newer producer's.",
			"body.type", `"tributary.payment.teleported.v1" is no type of event`,
		},
		{
			string(ledger.CodeUndecodable), 0, "The bytes are not what they are said to be: no JSON, no protobuf, a value of the wrong kind.",
			"Send the content type that the body has.", "body.data", "no JSON: an object begins with {",
		},
		{
			string(ledger.CodeUnknownField), 0, "The event has a field that its type has not.", "Correct its name, or leave it out.",
			"body.data.amout", "no such field; there is amount",
		},
		{
			string(ledger.CodeMissingField), 0, "A field that has to be there is not, or is empty.", "Fill it.",
			"body.data.merchant_id", "is missing",
		},
		{
			string(ledger.CodeBadField), 0, "A field has a value that it cannot have.", "The detail says which it can have.",
			"body.payment_type", `"barter" is none of credit, debit, …`,
		},
		{
			string(ledger.CodeBadID), 0, "An id is none: too long, empty, or with characters that would be trouble elsewhere.",
			"Use letters, digits and - _ . : as the detail says.", "body.payment_id", `"a b" is no id`,
		},
		{
			string(ledger.CodeBadTime), 0, "A time is none, or is out of reach.", "Write it as RFC 3339, with a time zone.",
			"body.time", `"yesterday" is not a time such as 2026-01-31T09:30:00Z`,
		},
		{
			string(ledger.CodeBadAmount), 0, "An amount is not a whole number of units, or its asset or scale is none. Nothing is ever rounded.", scale,
			"body.amount.value", `"12.50" is not an integer; write the amount in units of 10^-asset_scale, without a point`,
		},
		{
			string(ledger.CodeAmountNegative), 0, "An amount is negative. Money that goes the other way is another type of event.",
			"A refund is a refund, not a payment of less than nothing.", "body.amount.value", `"-1250" is negative`,
		},
		{
			string(ledger.CodeAmountTooLarge), 0, "An amount is 10^20 whole units or more.", scale,
			"body.amount.value", "10^20 whole units is more than an amount can be",
		},
		{
			string(ledger.CodeFeeOverAmount), 0, "The fee is more than the amount that it is taken from.", "Look at the scale of both.",
			"body.fee.value", "the fee 2000 is more than the amount 1250",
		},
		{
			string(ledger.CodeBadAccount), 0, "A name is none of an account's.", "An account is words between colons, such as merchant:acme:payable.",
			"body.data.lines[0].account", `"acme" is no account`,
		},
		{
			string(ledger.CodeUnbalancedJournal), 0, "What a journal's lines take and give is not the same in each asset.", "Add the line that is missing.",
			"body.data.lines", "EUR comes to 100, not to 0",
		},
		{
			string(ledger.CodeSubjectMismatch), 0, "The event's subject is not the thing that its data is about.", "Set subject to that id, or leave it out.",
			"body.subject", `"pay-1" is not the payment_id "pay-2"`,
		},
		{
			string(ledger.CodeWrongTopic), 0, "The event is in a topic that is not its type's.", "Leave the choice of the topic to this API.",
			"body.type", "belongs to the topic payments",
		},
		{
			string(ledger.CodeTooLarge), 0, "The event is larger than one may be, or has more parts.", "Send it as several.",
			"body", "the event has 2000000 bytes, more than 1048576",
		},
	}
}
