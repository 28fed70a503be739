package main

import (
	"context"
	"io"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// progress is a bar on a terminal, and nothing anywhere else.
type progress struct {
	container *mpb.Progress
	bar       *mpb.Bar
}

// unit is what a bar counts.
type unit string

const (
	countBytes       unit = "bytes"
	countEvents      unit = "events"
	countIDs         unit = "ids"
	countProjections unit = "projections"
	countRecords     unit = "records"
	countRows        unit = "rows"
)

// startProgress shows a bar for a job of a known size. It must be ended.
func (a *app) startProgress(ctx context.Context, title string, total int64, counts unit) *progress {
	if total <= 0 || total == 1 && counts == countProjections || !isTerminal(a.stderr) {
		return &progress{}
	}
	const width = 48
	container := mpb.NewWithContext(ctx, mpb.WithOutput(a.stderr), mpb.WithWidth(width))
	rate := decor.AverageSpeed(0, "%.0f/s")
	amount := decor.Any(func(s decor.Statistics) string {
		return count(s.Current) + " of " + count(s.Total) + " " + string(counts)
	})
	if counts == countBytes {
		amount, rate = decor.CountersKibiByte("% .0f of % .0f"), decor.AverageSpeed(decor.SizeB1024(0), "% .0f")
	}
	bar := container.New(total, mpb.BarStyle().Lbound("").Rbound("").Filler("━").Tip("━").Padding("─"),
		mpb.PrependDecorators(decor.Name(title, decor.WC{W: len(title) + 1, C: decor.DindentRight})),
		mpb.AppendDecorators(amount, decor.Name("  "), rate, decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)),
		mpb.BarRemoveOnComplete(),
	)
	return &progress{container, bar}
}

func (p *progress) add(n int64) {
	if p.bar != nil {
		p.bar.IncrInt64(n)
	}
}

func (p *progress) set(n int64) {
	if p.bar != nil {
		p.bar.SetCurrent(n)
	}
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.container.Wait()
	}
}

// counted moves a bar as a stream is read.
type counted struct {
	io.Reader

	progress *progress
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.progress.add(int64(n))
	return n, err //nolint:wrapcheck // io.EOF must stay itself
}
