// Command register puts the schemas of all events into a schema registry, as whoever owns a registry does once, before
// producers look them up there.
//
//	SCHEMA_REGISTRY_URL=http://127.0.0.1:8081 go run ./docs/examples/producers/register schemas
//
// Each message has a subject of its own, named after it: a topic holds many types, and with one subject for all of them,
// which is most serializers' default, a registry would call the second type an incompatible change of the first.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/twmb/franz-go/pkg/sr"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tributary-ledger/tributary/ledger"
)

func main() {
	folder := "schemas"
	if len(os.Args) > 1 {
		folder = os.Args[1]
	}
	if os.Getenv("SCHEMA_REGISTRY_URL") == "" {
		fmt.Fprintln(os.Stderr, "SCHEMA_REGISTRY_URL is not set: the URL of your schema registry")
		os.Exit(1)
	}
	registry, err := sr.NewClient(sr.URLs(os.Getenv("SCHEMA_REGISTRY_URL")))
	if err == nil {
		err = registerAll(context.Background(), registry, folder)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "register:", err)
		os.Exit(1)
	}
}

// registerAll registers the schema of every type of event.
func registerAll(ctx context.Context, registry *sr.Client, folder string) error {
	for _, info := range ledger.Types() {
		message := info.Type.New().ProtoReflect().Descriptor()
		if _, err := register(ctx, registry, folder, string(message.FullName()), message.ParentFile()); err != nil {
			return err
		}
	}
	return nil
}

// register registers a file under a subject, and before it what it imports, under the paths in its imports. What is there
// already stays as it is.
func register(
	ctx context.Context, registry *sr.Client, folder, subject string, file protoreflect.FileDescriptor,
) (sr.SubjectSchema, error) {
	var references []sr.SchemaReference
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i)
		if strings.HasPrefix(imported.Path(), "google/") { // every registry has these
			continue
		}
		known, err := register(ctx, registry, folder, imported.Path(), imported.FileDescriptor)
		if err != nil {
			return sr.SubjectSchema{}, err
		}
		references = append(references, sr.SchemaReference{Name: imported.Path(), Subject: known.Subject, Version: known.Version})
	}
	text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(file.Path()))) //nolint:gosec // the folder is the caller's
	if err != nil {
		return sr.SubjectSchema{}, fmt.Errorf("read the schema of %s: %w", subject, err)
	}
	schema, err := registry.CreateSchema(ctx, subject, sr.Schema{Type: sr.TypeProtobuf, Schema: string(text), References: references})
	if err != nil {
		return schema, fmt.Errorf("register %s: %w", subject, err)
	}
	return schema, nil
}
