package ledger

import (
	"fmt"
	"strconv"
)

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

// Codes is the closed list.
func Codes() []Code {
	return []Code{
		CodeBadEnvelope, CodeUnknownType, CodeUndecodable, CodeUnknownField, CodeMissingField, CodeBadField,
		CodeBadID, CodeBadTime, CodeBadAmount, CodeAmountNegative, CodeAmountTooLarge, CodeFeeOverAmount,
		CodeBadAccount, CodeUnbalancedJournal, CodeSubjectMismatch, CodeWrongTopic, CodeTooLarge,
	}
}

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

func invalid(code Code, path, format string, args ...any) *Invalid {
	return &Invalid{Code: code, Path: path, Message: fmt.Sprintf(format, args...)}
}

// maxQuotedBytes bounds what a message repeats of the input.
const maxQuotedBytes = 48

// quote shows a piece of input so that it can be stored and printed anywhere: quoted, escaped, and cut short.
func quote[T ~string | ~[]byte](s T) string {
	if len(s) <= maxQuotedBytes {
		return strconv.Quote(string(s))
	}
	return strconv.Quote(string(s[:maxQuotedBytes])) + "… (" + strconv.Itoa(len(s)) + " bytes)"
}

// snippet shows a piece of JSON: as it stands where it is short and plain, else quoted.
func snippet(b []byte) string {
	for _, c := range b {
		if c < ' ' || c >= 0x7f {
			return quote(b)
		}
	}
	if len(b) > maxQuotedBytes {
		return quote(b)
	}
	return string(b)
}

// step is one name on the way to a value, with the index where it is repeated, else -1.
type step struct {
	name  string
	index int
}

// maxDepth is how deep the messages of an event nest: data.lines[3].unit_price.
const maxDepth = 4

// trail is the way to the value at hand. It is kept while walking, and written out only when something is wrong there.
type trail struct {
	steps [maxDepth]step
	depth int
}

func (t *trail) push(name string, index int) {
	t.steps[t.depth] = step{name, index}
	t.depth++
}

func (t *trail) pop() { t.depth-- }

// path is the way to the field of this name, from "data" on; to the message itself where name is empty.
func (t *trail) path(name string) string {
	out := []byte("data")
	for _, s := range t.steps[:t.depth] {
		out = append(append(out, '.'), s.name...)
		if s.index >= 0 {
			out = append(strconv.AppendInt(append(out, '['), int64(s.index), 10), ']')
		}
	}
	if name != "" {
		out = append(append(out, '.'), name...)
	}
	return string(out)
}
