package comparison

import (
	"bytes"
	"cmp"
)

// stream gives rows in the order of their buckets, and in each of their keys.
type stream interface {
	// next gives the next row, or nil at the end.
	next() (*row, error)
}

// merge brings the rows of two generations together by their keys. Rows of a key that is there twice are taken in their order.
func merge(live, other stream, each func(live, other *row) error) error {
	l, err := live.next()
	if err != nil {
		return err
	}
	o, err := other.next()
	if err != nil {
		return err
	}
	for l != nil || o != nil {
		order := compareKeys(l, o)
		var a, b *row
		if order <= 0 {
			a = l
		}
		if order >= 0 {
			b = o
		}
		if err := each(a, b); err != nil {
			return err
		}
		if a != nil {
			if l, err = live.next(); err != nil {
				return err
			}
		}
		if b != nil {
			if o, err = other.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// compareKeys puts the end behind everything.
func compareKeys(l, o *row) int {
	switch {
	case l == nil:
		return 1
	case o == nil:
		return -1
	default:
		return cmp.Or(cmp.Compare(l.bucket, o.bucket), bytes.Compare(l.key, o.key))
	}
}
