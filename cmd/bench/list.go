package main

import (
	"bytes"
	"fmt"
	"io"

	"github.com/tributary-ledger/tributary/cmd/bench/internal/measure"
)

// list prints what a plan would run.
func list(to io.Writer, plan measure.Plan) error {
	var table bytes.Buffer
	fmt.Fprintln(&table, "MEASURE\tOF\tAGAINST\tWHAT IS DONE")
	for _, m := range plan.Choose(all()) {
		fmt.Fprintf(&table, "%s\t%s\t%s\t%s\n", m.Name, m.Of, m.Against, m.About)
	}
	return measure.Columns(to, table.Bytes())
}
