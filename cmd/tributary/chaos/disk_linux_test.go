package chaos

import (
	"errors"
	"fmt"
	"syscall"
)

// disk is a small file system in memory, which can be made full and spacious again.
type disk struct{ dir string }

// spacious is how much it has at most; what is not used takes no memory.
const spacious = 4 << 30

func mountDisk(dir string) (*disk, error) {
	return &disk{dir}, syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", spacious))
}

func (d *disk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }

// fill leaves room for so many bytes, or a page or two.
func (d *disk) fill(left uint64) error {
	const tries = 100 // as it is written to meanwhile
	var err error
	for range tries {
		var now syscall.Statfs_t
		if err = syscall.Statfs(d.dir, &now); err != nil {
			return fmt.Errorf("look at %s: %w", d.dir, err)
		}
		used := (now.Blocks - now.Bfree) * uint64(now.Bsize)
		if err = d.resize(used + max(left, uint64(now.Bsize))); !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	return err
}

// empty makes room again.
func (d *disk) empty() error { return d.resize(spacious) }

func (d *disk) resize(bytes uint64) error {
	if err := syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes)); err != nil {
		return fmt.Errorf("make %s a disk of %d bytes: %w", d.dir, bytes, err)
	}
	return nil
}
