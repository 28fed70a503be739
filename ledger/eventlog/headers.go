package eventlog

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/tributary-ledger/tributary/ledger"
)

// readHeaders picks the attributes out of the headers, without a map. An attribute that occurs twice is refused: which of
// the two counted would depend on the reader.
func readHeaders(headers []kgo.RecordHeader) (ledger.Attributes, *ledger.Invalid) {
	var (
		attributes ledger.Attributes
		media      string
		seen       uint
		invalid    *ledger.Invalid
	)
	for i := range headers {
		target, bit := attributeOf(&attributes, &media, headers[i].Key)
		if target == nil {
			continue
		}
		if seen&bit != 0 {
			if invalid == nil {
				invalid = repeated(headers[i].Key)
			}
			continue
		}
		seen |= bit
		*target = stringOf(headers[i].Value)
	}
	if attributes.DataContentType == "" {
		attributes.DataContentType = media
	}
	return attributes, invalid
}

// attributeOf is where a header's value belongs, and its bit; nil for the headers of others.
func attributeOf(a *ledger.Attributes, media *string, key string) (target *string, bit uint) {
	switch key {
	case headerContentType:
		return &a.DataContentType, 1 << 0
	case headerSpecVersion:
		return &a.SpecVersion, 1 << 1
	case headerID:
		return &a.ID, 1 << 2
	case headerSource:
		return &a.Source, 1 << 3
	case headerType:
		return &a.Type, 1 << 4
	case headerTime:
		return &a.Time, 1 << 5
	case headerSubject:
		return &a.Subject, 1 << 6
	case headerLedger:
		return &a.Ledger, 1 << 7
	case headerPartitionKey:
		return &a.PartitionKey, 1 << 8
	case headerTraceParent:
		return &a.TraceParent, 1 << 9
	case headerDataContent:
		return media, 1 << 10
	}
	if len(key) == len(headerContentType) && strings.EqualFold(key, headerContentType) {
		return &a.DataContentType, 1 << 0
	}
	return nil, 0
}

func repeated(key string) *ledger.Invalid {
	return &ledger.Invalid{
		Code: ledger.CodeBadEnvelope, Path: strings.TrimPrefix(strings.ToLower(key), "ce_"),
		Message: "the header " + key + " occurs twice; send it once",
	}
}
