package commands

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tributary-ledger/tributary/ledger"
	"github.com/tributary-ledger/tributary/ledger/providers"
	"github.com/tributary-ledger/tributary/ledger/web"
)

// webhookInput is a provider's own words.
type webhookInput struct {
	Name    string `path:"name" example:"sandbox" maxLength:"64" doc:"The provider."`
	RawBody []byte `contentType:"application/json"`

	header http.Header
}

// Resolve keeps the headers, in one of which the signature is, for huma.
func (i *webhookInput) Resolve(ctx huma.Context) []error {
	i.header = http.Header{}
	ctx.EachHeader(func(name, value string) { i.header.Add(name, value) })
	return nil
}

func (c *Commands) registerWebhooks(api huma.API) {
	body := &huma.RequestBody{Required: true}
	huma.Register(api, huma.Operation{
		OperationID: "provider-webhook", Method: http.MethodPost, Path: "/v1/providers/{name}/webhooks", Tags: []string{"Payments"},
		Summary: "Hear from a provider",
		Description: "For payment providers: they sign what they send, and send it again until it is taken. What they tell of a payment " +
			"becomes the same event that the payment's own request would have written.",
		DefaultStatus: http.StatusNoContent, MaxBodyBytes: maxBodyBytes, SkipValidateBody: true,
		RequestBody: body,
		Errors: []int{
			http.StatusBadRequest, http.StatusUnauthorized, http.StatusNotFound, http.StatusRequestEntityTooLarge,
			http.StatusUnprocessableEntity, http.StatusServiceUnavailable,
		},
	}, c.hearProvider)
	body.Content = map[string]*huma.MediaType{
		ledger.ContentTypeJSON: {Schema: &huma.Schema{Type: huma.TypeObject, Description: "As the provider documents it."}},
	}
}

func (c *Commands) hearProvider(ctx context.Context, in *webhookInput) (*struct{}, error) {
	provider := c.Payments.Providers[in.Name]
	if provider == nil {
		return nil, web.NewProblem(http.StatusNotFound, web.CodeNotFound, "there is no such provider")
	}
	notices, err := provider.ParseWebhook(in.header, in.RawBody)
	switch {
	case errors.Is(err, providers.ErrSignature):
		return nil, web.NewProblem(http.StatusUnauthorized, web.CodeUnauthenticated, "the signature is not the provider's")
	case err != nil:
		return nil, web.NewProblem(http.StatusBadRequest, web.CodeBadRequest, "this is no webhook of "+strings.ToValidUTF8(in.Name, "?"))
	}
	for _, notice := range notices {
		if err := c.Payments.Notice(context.WithoutCancel(ctx), in.Name, notice); err != nil {
			return nil, explainPayment(err)
		}
	}
	return nil, nil //nolint:nilnil // huma's way to say that there is no body
}
