package commands

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/eventlog"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// The content types of CloudEvents over HTTP, beside those of data (binary mode).
const (
	typeStructured = "application/cloudevents+json"
	typeBatch      = "application/cloudevents-batch+json"
	typeLines      = "application/x-ndjson"
)

const (
	maxEventsBytes = 16 << 20
	maxEvents      = 10_000
)

// eventsInput is a request in any of the CloudEvents forms. In binary mode the attributes are headers.
type eventsInput struct {
	ContentType string `header:"Content-Type" hidden:"true"`
	RawBody     []byte `contentType:"application/cloudevents+json"`

	attributes ledger.Attributes
	unknown    string // a ce- header that events do not have
	repeated   string // a ce- header that came twice
}

// Resolve picks the attributes out of the headers, for huma.
func (i *eventsInput) Resolve(ctx huma.Context) []error {
	seen := map[string]bool{}
	ctx.EachHeader(func(name, value string) {
		name = strings.ToLower(name)
		attribute, found := strings.CutPrefix(name, "ce-")
		if !found {
			return
		}
		if seen[name] && i.repeated == "" {
			i.repeated = attribute
		}
		seen[name] = true
		if text, err := url.PathUnescape(value); err == nil {
			value = text
		}
		if !i.attributes.Set(attribute, value) && i.unknown == "" {
			i.unknown = attribute
		}
	})
	return nil
}

// EventResult is what became of one event of a request.
type EventResult struct {
	Index    int          `json:"index" doc:"Its place in the request, from 0."`
	ID       string       `json:"id,omitempty" doc:"Its id, where that could be read."`
	Status   int          `json:"status" example:"202" doc:"202: the log has it. Else as an answer of its own would be."`
	Position string       `json:"position,omitempty" example:"payments/3@1042" doc:"Where the log has it."`
	Problem  *web.Problem `json:"problem,omitempty" doc:"Why it was refused."`
}

// EventsResult is what became of the events of a request.
type EventsResult struct {
	Accepted int           `json:"accepted" doc:"How many the log has."`
	Refused  int           `json:"refused" doc:"How many were refused; nothing of those is in the log."`
	Results  []EventResult `json:"results" doc:"One for each event, in the request's order."`
}

type eventsOutput struct {
	Accepted

	Status int
	Body   EventsResult
}

func (c *Commands) registerEvents(api huma.API) {
	schema := func(value string) *huma.Schema { return &huma.Schema{Type: value} }
	body := &huma.RequestBody{Required: true}
	huma.Register(api, huma.Operation{
		OperationID: "publish-events", Method: http.MethodPost, Path: "/v1/events", Tags: []string{"Events"},
		Summary: "Publish events",
		Description: "Takes CloudEvents 1.0 in each of their forms: binary (attributes as ce- headers, data as the body), structured, a batch, " +
			"or NDJSON (an event a line). Events are checked first; those that are valid are appended, and the answer comes when the log has " +
			"all of them: 202 when none was refused, 207 when some were. An event counts once however often it is sent, so a request that " +
			"failed is safe to repeat. An event without the attribute ledger belongs to the key's ledger; one that names another is refused. " +
			"A key that is confined to merchants or sites may publish events that name one of them.",
		Security: web.Needs(web.ScopeEventsWrite), DefaultStatus: http.StatusAccepted, MaxBodyBytes: maxEventsBytes, RequestBody: body,
		Errors: []int{
			http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestEntityTooLarge,
			http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusServiceUnavailable,
		},
		Responses: map[string]*huma.Response{"207": {
			Description: "Some events were refused: see results. The others are in the log.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: "#/components/schemas/EventsResult"}}},
		}},
	}, c.publishEvents)
	body.Content = map[string]*huma.MediaType{
		typeStructured: {Schema: schema("object"), Example: json.RawMessage(exampleEvent)},
		typeBatch: {
			Schema: &huma.Schema{Type: "array", Items: schema("object")}, Example: json.RawMessage("[" + exampleEvent + "]"),
		},
		typeLines:                  {Schema: schema("string"), Example: exampleEvent + "\n"},
		ledger.ContentTypeJSON:     {Schema: schema("object")},
		ledger.ContentTypeProtobuf: {Schema: &huma.Schema{Type: "string", Format: "binary"}},
	}
}

const exampleEvent = `{"specversion":"1.0","id":"01981d2e-6c1b-7cc3-8a1f-2f6f7b1d9a10","source":"/shop",` +
	`"type":"tributary.payment.posted.v1","time":"2026-01-31T09:30:00Z","subject":"pay-1042",` +
	`"data":{"payment_id":"pay-1042","transaction_id":"ch_77","user_id":"u-7","payment_type":"credit",` +
	`"provider":"sandbox","merchant_id":"acme","amount":{"value":"1250","asset_code":"EUR","asset_scale":2}}}`

func (c *Commands) publishEvents(ctx context.Context, input *eventsInput) (*eventsOutput, error) {
	read, single, err := input.read()
	if err != nil {
		return nil, err
	}
	caller := web.Caller(ctx)
	out := &eventsOutput{Status: http.StatusAccepted, Body: EventsResult{Results: make([]EventResult, len(read))}}
	var (
		events []*ledger.Event
		places []int
	)
	for i, one := range read {
		result := EventResult{Index: i, ID: one.id, Status: http.StatusAccepted}
		problem := one.problem
		if problem == nil {
			problem = admit(caller, &one)
		}
		if problem == nil {
			events, places = append(events, one.event), append(places, i)
		} else {
			if single {
				return nil, problem
			}
			result.Problem, result.Status = problem, problem.Status
		}
		out.Body.Results[i] = result
	}
	positions, err := c.publish(ctx, events...)
	if err != nil {
		return nil, err
	}
	for i, position := range positions {
		out.Body.Results[places[i]].Position = position.String()
	}
	if out.Body.Accepted, out.Body.Refused = len(events), len(read)-len(events); out.Body.Refused > 0 {
		out.Status = http.StatusMultiStatus
	}
	out.Accepted = accepted(highest(positions))
	return out, nil
}

// highest is the last position in each partition: whoever waits for those has waited for all.
func highest(positions []eventlog.Position) []eventlog.Position {
	last := map[eventlog.TopicPartition]int64{}
	for _, p := range positions {
		last[p.TopicPartition()] = max(last[p.TopicPartition()], p.Offset)
	}
	all := make([]eventlog.Position, 0, len(last))
	for _, p := range eventlog.SortedPartitions(last) {
		all = append(all, p.At(last[p]))
	}
	return all
}

// readEvent is one event of a request, or why it is none.
type readEvent struct {
	id      string
	event   *ledger.Event
	named   bool // the event names its ledger
	problem *web.Problem
}

// read takes the request apart; single is true where it is about one event, whose refusal is the answer.
func (i *eventsInput) read() (all []readEvent, single bool, err error) {
	media, _, err := mime.ParseMediaType(i.ContentType)
	if err != nil {
		media = i.ContentType
	}
	switch media {
	case typeStructured:
		return []readEvent{decode(i.RawBody, "body.")}, true, nil
	case typeBatch:
		var documents []json.RawMessage
		if err := json.Unmarshal(i.RawBody, &documents); err != nil {
			return nil, false, web.NewProblem(http.StatusBadRequest, web.CodeBadRequest, "the body is no JSON array of events: "+err.Error())
		}
		all, err = decodeAll(documents)
	case typeLines:
		var lines []json.RawMessage
		for line := range bytes.Lines(i.RawBody) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				lines = append(lines, line)
			}
		}
		all, err = decodeAll(lines)
	case ledger.ContentTypeJSON, ledger.ContentTypeProtobuf:
		return []readEvent{i.binary(media)}, true, nil
	default:
		return nil, false, web.NewProblem(http.StatusUnsupportedMediaType, web.CodeMediaType, fmt.Sprintf(
			"the content type is %q: send %s, %s or %s; or %s or %s with ce- headers", media,
			typeStructured, typeBatch, typeLines, ledger.ContentTypeJSON, ledger.ContentTypeProtobuf)).At("header.content-type")
	}
	return all, false, err
}

func decodeAll[T ~[]byte](documents []T) ([]readEvent, error) {
	if len(documents) == 0 || len(documents) > maxEvents {
		return nil, web.NewProblem(http.StatusUnprocessableEntity, web.CodeInvalid, fmt.Sprintf(
			"the request has %d events: send 1 to %d", len(documents), maxEvents)).At("body")
	}
	all := make([]readEvent, len(documents))
	for i, document := range documents {
		all[i] = decode(document, fmt.Sprintf("body[%d].", i))
	}
	return all, nil
}

func decode(document []byte, prefix string) readEvent {
	event, invalid := ledger.DecodeJSON(document, ledger.Strict)
	if invalid != nil {
		return readEvent{id: ledger.PeekID(document), problem: web.InvalidEvent(invalid, prefix)}
	}
	var attributes struct {
		Ledger string `json:"ledger"`
	}
	_ = json.Unmarshal(document, &attributes) // it is an event, so it is JSON
	return readEvent{id: event.ID.String(), event: event, named: attributes.Ledger != ""}
}

// binary is the one event whose attributes are headers.
func (i *eventsInput) binary(media string) readEvent {
	attributes := i.attributes
	attributes.DataContentType = media
	var (
		event   *ledger.Event
		invalid *ledger.Invalid
	)
	switch {
	case i.repeated != "":
		invalid = &ledger.Invalid{
			Code: ledger.CodeBadEnvelope, Path: i.repeated, Message: "the header ce-" + i.repeated + " occurs twice; send it once",
		}
	case i.unknown != "":
		invalid = ledger.UnknownAttribute(i.unknown)
	default:
		event, invalid = ledger.Decode(&attributes, i.RawBody, ledger.Strict)
	}
	if invalid == nil {
		return readEvent{id: event.ID.String(), event: event, named: attributes.Ledger != ""}
	}
	if rest, found := strings.CutPrefix(invalid.Path, "data"); found {
		return readEvent{id: attributes.ID, problem: web.InvalidEvent(&ledger.Invalid{
			Code: invalid.Code, Path: rest, Message: invalid.Message,
		}, "body")}
	}
	return readEvent{id: attributes.ID, problem: web.InvalidEvent(invalid, "header.ce-")}
}

// admit puts a valid event into the caller's books, or says why it may not go there.
func admit(caller *web.Principal, read *readEvent) *web.Problem {
	event := read.event
	if !read.named {
		event.Ledger = caller.Ledger
	}
	if event.Ledger != caller.Ledger {
		return web.NewProblem(http.StatusForbidden, web.CodeForbidden, "this key is for another ledger").At("ledger")
	}
	if owner := ownerOf(event); len(caller.Owners) > 0 && !slices.Contains(caller.Owners, owner) {
		return web.NewProblem(http.StatusForbidden, web.CodeForbidden,
			"this key is confined to merchants or sites, and the event names none of them")
	}
	return nil
}

// ownerOf is the merchant or site that an event names; empty where it names none.
func ownerOf(event *ledger.Event) string {
	message := event.Data.ProtoReflect()
	for _, name := range []protoreflect.Name{"merchant_id", "plugin_id"} {
		if field := message.Descriptor().Fields().ByName(name); field != nil {
			return message.Get(field).String()
		}
	}
	return ""
}
