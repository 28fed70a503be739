package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/tributary-ledger/tributary/ledger/commands"
	"github.com/tributary-ledger/tributary/ledger/web"
	"github.com/tributary-ledger/tributary/projections/postgres"
	"github.com/tributary-ledger/tributary/projections/queries"
)

func main() {
	if err := describe(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "describe:", err)
		os.Exit(1)
	}
}

// describe asks both halves of the API what they do. They dial nothing until they are asked for more.
func describe(ctx context.Context, out io.Writer) error {
	nowhere, err := postgres.Open(ctx, "postgres://nobody@localhost/none")
	if err != nil {
		return err
	}
	defer nowhere.Close()
	api := web.NewAPI(http.NewServeMux(), web.APIConfig{Version: "1"}) //nolint:contextcheck // no request is made
	new(commands.Commands).Register(api)
	queries.New(queries.Config{Postgres: nowhere}).Register(api) //nolint:contextcheck // the same
	document, err := api.OpenAPI().Downgrade()
	if err != nil {
		return fmt.Errorf("describe the API as OpenAPI 3.0: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, document, "", "  "); err != nil {
		return fmt.Errorf("indent the description: %w", err)
	}
	if _, err := indented.WriteTo(out); err != nil {
		return fmt.Errorf("write the description: %w", err)
	}
	return nil
}
