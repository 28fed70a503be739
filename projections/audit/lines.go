package audit

import (
	"fmt"
	"strconv"

	"github.com/tributary-ledger/tributary/schemas/eventsv1"
)

// hashedLines is the hash of a receipt's lines as Postgres writes them: of jsonb, equal documents have equal texts.
func hashedLines(lines []*eventsv1.Line) string { return hashed(appendLines(nil, lines)) }

// storedLines is hashedLines of the table's JSON.
func storedLines(document []byte) string { return hashed(document) }

// appendLines writes lines with the keys in jsonb's order, the shorter ones first. What a line may leave out is not there.
func appendLines(doc []byte, lines []*eventsv1.Line) []byte {
	doc = append(doc, '[')
	for i, line := range lines {
		if i > 0 {
			doc = append(doc, ", "...)
		}
		doc = append(doc, '{')
		if line.GetSku() != "" {
			doc = append(appendJSON(append(doc, `"sku": `...), line.GetSku()), ", "...)
		}
		price := line.GetUnitPrice()
		doc = appendJSON(append(doc, `"quantity": `...), line.GetQuantity())
		doc = appendJSON(append(doc, `, "unit_price": {"value": `...), price.GetValue())
		doc = appendJSON(append(doc, `, "asset_code": `...), price.GetAssetCode())
		doc = strconv.AppendUint(append(doc, `, "asset_scale": `...), uint64(price.GetAssetScale()), 10)
		doc = append(doc, '}')
		if line.GetDescription() != "" {
			doc = appendJSON(append(doc, `, "description": `...), line.GetDescription())
		}
		doc = append(doc, '}')
	}
	return append(doc, ']')
}

// appendJSON writes a text as Postgres does: escaped is only what must be.
func appendJSON(doc []byte, text string) []byte {
	doc = append(doc, '"')
	for i := range len(text) {
		switch c := text[i]; c {
		case '"', '\\':
			doc = append(doc, '\\', c)
		case '\b':
			doc = append(doc, `\b`...)
		case '\f':
			doc = append(doc, `\f`...)
		case '\n':
			doc = append(doc, `\n`...)
		case '\r':
			doc = append(doc, `\r`...)
		case '\t':
			doc = append(doc, `\t`...)
		default:
			if c < ' ' {
				doc = fmt.Appendf(doc, `\u%04x`, c)
			} else {
				doc = append(doc, c)
			}
		}
	}
	return append(doc, '"')
}
