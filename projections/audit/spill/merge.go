package spill

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// mostRuns is how many are merged at once: with more, the buffers would be too small to be read in large pieces.
	mostRuns = 256
	// headBytes is a record's order and length.
	headBytes = 12
	// writeBytes is what is written at once. What is read at once is as much, or less where memory is scarce.
	writeBytes, leastReadBytes = 256 << 10, 16 << 10
)

// writer appends a run to a file. The first error stays.
type writer struct {
	*bufio.Writer

	written int64
	err     error
}

func (s *Sorter) newWriter() *writer {
	return &writer{Writer: bufio.NewWriterSize(io.NewOffsetWriter(s.file, s.end), writeBytes)}
}

func (w *writer) write(order uint64, record []byte) {
	var head [headBytes]byte
	binary.BigEndian.PutUint64(head[:], order)
	binary.BigEndian.PutUint32(head[8:], uint32(len(record))) //nolint:gosec // It was held in memory of less than 4 GiB.
	for _, part := range [][]byte{head[:], record} {
		if w.err == nil {
			_, w.err = w.Write(part)
		}
		w.written += int64(len(part))
	}
}

// finish notes the run that was written.
func (s *Sorter) finish(w *writer) error {
	if err := errors.Join(w.err, w.Flush()); err != nil {
		return fmt.Errorf("sort with a temporary file in %s (TMPDIR chooses a disk with more room, --memory needs less of it): %w",
			s.dir, err)
	}
	s.runs = append(s.runs, run{s.end, s.end + w.written})
	s.end += w.written
	return nil
}

// cursor is where a run is read.
type cursor struct {
	*bufio.Reader

	order  uint64
	record []byte
}

// next reads a record; io.EOF at the end of the run.
func (c *cursor) next() error {
	var head [headBytes]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return err //nolint:wrapcheck // io.EOF must stay itself.
	}
	c.order = binary.BigEndian.Uint64(head[:])
	n := int(binary.BigEndian.Uint32(head[8:]))
	if cap(c.record) < n {
		c.record = make([]byte, n)
	}
	c.record = c.record[:n]
	if _, err := io.ReadFull(c, c.record); err != nil {
		return errors.Join(io.ErrUnexpectedEOF, err)
	}
	return nil
}

func (c *cursor) before(other *cursor) bool {
	if c.order != other.order {
		return c.order < other.order
	}
	return bytes.Compare(c.record, other.record) < 0
}

// merge reads all runs side by side: a heap has the one that is next on top.
func (s *Sorter) merge(fn func(order uint64, record []byte) error) error {
	buffer := min(max(2*s.bytesMost/len(s.runs), leastReadBytes), writeBytes)
	heap := make([]*cursor, 0, len(s.runs))
	for _, r := range s.runs {
		c := &cursor{Reader: bufio.NewReaderSize(io.NewSectionReader(s.file, r.from, r.to-r.from), buffer)}
		if err := c.next(); err != nil {
			return s.broken(err)
		}
		heap = append(heap, c)
	}
	for i := len(heap)/2 - 1; i >= 0; i-- {
		sink(heap, i)
	}
	for len(heap) > 0 {
		first := heap[0]
		if err := fn(first.order, first.record); err != nil {
			return err
		}
		switch err := first.next(); {
		case errors.Is(err, io.EOF):
			heap[0] = heap[len(heap)-1]
			heap = heap[:len(heap)-1]
		case err != nil:
			return s.broken(err)
		}
		sink(heap, 0)
	}
	return nil
}

func (s *Sorter) broken(err error) error {
	return fmt.Errorf("read back what was sorted in a temporary file in %s: %w", s.dir, err)
}

// sink lets a cursor go down to where none below it is before it.
func sink(heap []*cursor, i int) {
	for {
		next := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(heap); child++ {
			if heap[child].before(heap[next]) {
				next = child
			}
		}
		if next == i {
			return
		}
		heap[i], heap[next] = heap[next], heap[i]
		i = next
	}
}

// mergeRuns makes one run of all, in a new file.
func (s *Sorter) mergeRuns() error {
	file, err := unnamed(s.dir)
	if err != nil {
		return err
	}
	into := &Sorter{dir: s.dir, file: file}
	w := into.newWriter()
	err = s.merge(func(order uint64, record []byte) error {
		w.write(order, record)
		return w.err
	})
	if err := errors.Join(err, into.finish(w)); err != nil {
		return errors.Join(err, file.Close())
	}
	err = s.file.Close()
	s.file, s.end, s.runs = into.file, into.end, into.runs
	if err != nil {
		return s.broken(err)
	}
	return nil
}
