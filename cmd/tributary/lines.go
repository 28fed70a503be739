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

// eachChunk reads r to its end, works on its chunks with all cores, and hands the results to take, in the file's order. The
// first error ends it.
func eachChunk[T any](ctx context.Context, r io.Reader, work func(chunk) T, take func(context.Context, T) error) error {
	workers := runtime.GOMAXPROCS(0)
	type job struct {
		chunk
		result chan T
	}
	jobs, ordered := make(chan job), make(chan job, 2*workers)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(jobs)
		defer close(ordered)
		return readChunks(r, func(c chunk) error {
			next := job{c, make(chan T, 1)}
			return errors.Join(send(ctx, ordered, next), send(ctx, jobs, next))
		})
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
	return group.Wait() //nolint:wrapcheck // reader and taker say what they were doing
}

func send[T any](ctx context.Context, to chan<- T, value T) error {
	select {
	case to <- value:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readChunks cuts a stream into chunks at the ends of lines.
func readChunks(r io.Reader, emit func(chunk) error) error {
	next := chunk{first: 1}
	var rest []byte // of a line whose end is still to come
	for {
		data := make([]byte, max(chunkBytes, 2*len(rest)))
		copy(data, rest)
		n, err := io.ReadFull(r, data[len(rest):])
		data = data[:len(rest)+n]
		atEnd := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !atEnd {
			return fmt.Errorf("read line %d and on: %w", next.first, err)
		}
		end := bytes.LastIndexByte(data, '\n') + 1
		if atEnd {
			end = len(data)
		}
		if end == 0 && len(data) > maxLineBytes {
			next.tooLong, rest, err = skipLine(r, len(data))
			if err != nil {
				return err
			}
		} else {
			next.data, rest = data[:end], data[end:]
		}
		if len(next.data) > 0 || next.tooLong > 0 {
			if err := emit(next); err != nil {
				return err
			}
		}
		if atEnd {
			return nil
		}
		next = chunk{first: next.first + bytes.Count(next.data, []byte{'\n'}) + min(next.tooLong, 1)}
	}
}

// skipLine passes over the rest of a line of which so many bytes are read. It returns the line's size, and what it read of
// the next one.
func skipLine(r io.Reader, size int) (total int, rest []byte, err error) {
	buf := make([]byte, chunkBytes)
	for {
		n, err := r.Read(buf)
		if at := bytes.IndexByte(buf[:n], '\n'); at >= 0 {
			return size + at, buf[at+1 : n], nil
		}
		size += n
		if errors.Is(err, io.EOF) {
			return size, nil, nil
		}
		if err != nil {
			return size, nil, fmt.Errorf("read the rest of a line of over %d bytes: %w", size, err)
		}
	}
}
