package stacktest

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/tributary-ledger/tributary/deploy/devstack"
)

// Main is all that a package's TestMain needs: it runs the tests, stops what they shared, and fails when a goroutine is left. options
// name goroutines that may stay.
func Main(m *testing.M, options ...goleak.Option) {
	devstack.RunChildIfAsked()
	code := m.Run()
	for name, stop := range map[string]func(context.Context) error{"Postgres": shared.stop, "Apache Kafka": sharedKafka.stop} {
		if err := stop(context.Background()); err != nil {
			fmt.Fprintf(os.Stderr, "stopping the tests' %s: %v\n", name, err)
			code = 1
		}
	}
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
