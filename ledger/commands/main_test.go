package commands_test

import (
	"testing"

	"github.com/tributary-ledger/tributary/deploy/devstack/stacktest"
)

func TestMain(m *testing.M) { stacktest.Main(m) }
