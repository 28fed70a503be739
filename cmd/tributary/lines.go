package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime"

	"golang.org/x/sync/errgroup"
)

const (
	// chunkBytes is how much of a file a worker takes at a time.
	chunkBytes = 1 << 20
	// maxLineBytes is from where on a line is not even held in memory. It is well above the largest event.
	maxLineBytes = 8 << 20
)

// chunk is whole lines of a file.
type chunk struct {
	first int // number of the first line, from 1
	data  []byte
	// tooLong is the size of the one line that the chunk then stands for, whose content was passed over.
	tooLong int
}

// lines are the chunk's lines by number, without their ends; blank ones are left out.
func (c chunk) lines() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		number := c.first
		for line := range bytes.Lines(c.data) {
			if trimmed := bytes.TrimSpace(line); len(trimmed) > 0 && !yield(number, trimmed) {
				return
			}
			number++
		}
	}
}

// job is a chunk on its way through a worker.
type job[T any] struct {
	chunk  chunk
	result chan T
}

// eachChunk reads r to its end, works on its chunks with all cores, and hands the results to take, in the file's order. The
// first error ends it.
func eachChunk[T any](ctx context.Context, r io.Reader, work func(chunk) T, take func(context.Context, T) error) error {
	workers := runtime.GOMAXPROCS(0)
	jobs, ordered := make(chan job[T]), make(chan job[T], 2*workers) //nolint:mnd // a little ahead of the taker
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		defer close(ordered)
		return feed(ctx, r, jobs, ordered)
	})
	for range workers {
		group.Go(func() error {
			for next := range jobs {
				next.result <- work(next.chunk)
			}
			return nil
		})
	}
	group.Go(func() error {
		for next := range ordered {
			select {
			case result := <-next.result:
				if err := take(ctx, result); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// feed gives each chunk to a worker, and its place in the order to the taker.
func feed[T any](ctx context.Context, r io.Reader, jobs, ordered chan<- job[T]) error {
	chunks := chunkReader{r: r, size: chunkBytes, line: 1}
	for {
		c, err := chunks.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		next := job[T]{c, make(chan T, 1)}
		for _, to := range []chan<- job[T]{ordered, jobs} {
			select {
			case to <- next:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
}

// chunkReader cuts a stream into chunks of about this many bytes, at the ends of lines.
type chunkReader struct {
	r    io.Reader
	size int
	line int    // number of the next line
	rest []byte // the beginning of it, read already
	done bool
}

// next is the next chunk; the error is io.EOF when there is none. A chunk may be without lines.
func (c *chunkReader) next() (chunk, error) {
	if c.done {
		return chunk{}, io.EOF
	}
	data := make([]byte, max(c.size, 2*len(c.rest))) //nolint:mnd // doubling bounds how often a long line is copied
	copy(data, c.rest)
	n, err := io.ReadFull(c.r, data[len(c.rest):])
	data = data[:len(c.rest)+n]
	c.done = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !c.done {
		return chunk{}, fmt.Errorf("read from line %d on: %w", c.line, err)
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if c.done {
		end = len(data)
	} else if end == 0 && len(data) > maxLineBytes/chunkBytes*c.size {
		return c.skipLine(len(data))
	}
	next := chunk{first: c.line, data: data[:end]}
	c.rest = data[end:]
	c.line += bytes.Count(next.data, []byte{'\n'})
	return next, nil
}

// skipLine passes over the rest of a line of which so many bytes are read.
func (c *chunkReader) skipLine(size int) (chunk, error) {
	buf := make([]byte, c.size)
	for {
		n, err := c.r.Read(buf)
		at := bytes.IndexByte(buf[:n], '\n')
		if at >= 0 {
			size, c.rest = size+at, buf[at+1:n]
			break
		}
		size += n
		if errors.Is(err, io.EOF) {
			c.done = true
			break
		}
		if err != nil {
			return chunk{}, fmt.Errorf("read the rest of line %d: %w", c.line, err)
		}
	}
	c.line++
	return chunk{first: c.line - 1, tooLong: size}, nil
}
