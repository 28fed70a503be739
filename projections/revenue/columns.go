package revenue

import (
	"fmt"
	"strings"
)

// definitions are the types of columns of views, and what they are: tools for analysts show that. gross, refunds and fees have
// another type in events, where they are no sums; what is before a dot only tells meanings of a name apart.
func definitions(amountType string, names ...string) []string {
	const text, short = "String", "LowCardinality(String)"
	columns := map[string]struct{ kind, comment string }{
		"ledger":       {short, "whose books"},
		"stream":       {short, "`payments`, `receivers` or `monetization`"},
		"owner":        {short, "the merchant, or the site's plugin_id"},
		"event_id":     {"UUID", "the event's identity"},
		"type":         {short, "such as `tributary.payment.posted.v1`"},
		"occurred_at":  {"DateTime64(6, 'UTC')", "the event's time"},
		"occurred_s":   {"DateTime('UTC')", "the same without the fraction of its second, for date pickers"},
		"recorded_at":  {"DateTime64(6, 'UTC')", "the log's time"},
		"pointer":      {short, "the payment pointer of a site; the provider of a payment; the chain of a receiver"},
		"post_id":      {short, "of monetization, where the event names one; else empty"},
		"post_title":   {text, "the post's latest title; empty where none is known"},
		"session_id":   {text, "of monetization, where the event names one; else empty"},
		"asset_code":   {short, "such as `EUR`"},
		"gross":        {amountType, "what was paid"},
		"refunds":      {amountType, "what went back: refunds, lost disputes, reversals after confirmation"},
		"fees":         {amountType, "the platform's fees, less what refunds gave back of them"},
		"net":          {amountType, "gross − refunds − fees"},
		"events":       {"UInt64", "how many events that is"},
		"topic":        {short, "of the record"},
		"partition":    {"Int32", "of the record"},
		"kafka_offset": {"Int64", "of the record"},
		"plugin_id":    {short, "the site, owner of its revenue"},
		"of.post_id":   {short, "of the site"},
		"title":        {text, "the latest"},
		"url":          {text, "the latest; empty where none is known"},
		"category":     {text, "the latest; empty where none is known"},
		"hour":         {"DateTime('UTC')", "its start; in `by_hour_in`, a time of that zone"},
		"day":          {"Date", "the date"},
		"year":         {"UInt16", "of the calendar"},
		"month":        {"UInt8", "1 to 12"},
		"day_of_week":  {"UInt8", "1 is Monday, 7 is Sunday"},
		"day_of_year":  {"UInt16", "from 1"},
	}
	definitions := make([]string, len(names))
	for i, name := range names {
		c, ok := columns[name]
		if !ok {
			panic("a column that nobody has described: " + name)
		}
		comment := strings.ReplaceAll(c.comment, "'", "\\'")
		definitions[i] = fmt.Sprintf("%#q %s COMMENT '%s'", name[strings.LastIndex(name, ".")+1:], c.kind, comment)
	}
	return definitions
}
