//go:build !linux

package chaos

import "errors"

// disk is a small file system, which there is none of here.
type disk struct{}

func mountDisk(string) (*disk, error) { return nil, errors.ErrUnsupported }

func (*disk) unmount() error { return nil }

func (*disk) fill(uint64) error { return errors.ErrUnsupported }

func (*disk) empty() error { return errors.ErrUnsupported }
