package peers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// peerHeapMB is what a peer on Java may have on its heap.
const peerHeapMB = 1024

// writeProperties writes a file of Java's properties.
func writeProperties(dir, name string, settings map[string]string) (string, error) {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s=%s\n", key, settings[key])
	}
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return "", fmt.Errorf("write a peer's settings: %w", err)
	}
	return file, nil
}

// while polls until done says so or the program ends, which is an error.
func while(ctx context.Context, running *devstack.Java, done func(context.Context) (bool, error)) error {
	return poll(ctx, func(ctx context.Context) (bool, error) {
		select {
		case <-running.Done():
			return false, running.Ended()
		default:
			return done(ctx)
		}
	})
}

// stop ends the program, whose data nobody wants any more.
func stop(ctx context.Context, running *devstack.Java) error {
	return errors.Join(running.Kill(), running.Stop(context.WithoutCancel(ctx)))
}
