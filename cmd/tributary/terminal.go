package main

import (
	"os"
	"strconv"

	"github.com/vbauerster/mpb/v8/cwriter"
)

// width is how wide a line for people may be: as the terminal, as COLUMNS says, or as is usual.
func (a *app) width() int {
	const usual, least = 100, 40
	width := usual
	if columns, ok := lookup(a.environ, "COLUMNS"); ok {
		if n, err := strconv.Atoi(columns); err == nil {
			width = n
		}
	}
	if file, ok := a.stdout.(*os.File); ok {
		if n, _, err := cwriter.GetSize(int(file.Fd())); err == nil && n > 0 {
			width = n
		}
	}
	return max(width, least)
}
