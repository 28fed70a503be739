package ledger

// Code is a reason for which an event is invalid: one of a closed list, documented in docs/events.md.
type Code string

// The closed list of codes.
const (
	CodeBadEnvelope       Code = "bad_envelope"
	CodeUnknownType       Code = "unknown_type"
	CodeUndecodable       Code = "undecodable"
	CodeUnknownField      Code = "unknown_field"
	CodeMissingField      Code = "missing_field"
	CodeBadField          Code = "bad_field"
	CodeBadID             Code = "bad_id"
	CodeBadTime           Code = "bad_time"
	CodeBadAmount         Code = "bad_amount"
	CodeAmountNegative    Code = "amount_negative"
	CodeAmountTooLarge    Code = "amount_too_large"
	CodeFeeOverAmount     Code = "fee_over_amount"
	CodeBadAccount        Code = "bad_account"
	CodeUnbalancedJournal Code = "unbalanced_journal"
	CodeSubjectMismatch   Code = "subject_mismatch"
	CodeWrongTopic        Code = "wrong_topic"
	CodeTooLarge          Code = "too_large"
)

// Invalid says why an event is refused: the rule (Code), the place (Path, such as "data.lines[3].unit_price.value", or
// empty for the whole event) and, for people, the rule in words with what was found and what would mend it (Message).
type Invalid struct {
	Code    Code   `json:"code"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// Error puts the three into one line.
func (i *Invalid) Error() string {
	if i.Path == "" {
		return string(i.Code) + ": " + i.Message
	}
	return string(i.Code) + " at " + i.Path + ": " + i.Message
}
