package stacktest

import (
	"os"
	"path/filepath"
	"syscall"
)

// unmountIn takes away the file systems that are mounted at folders in a folder.
func unmountIn(dir string) {
	found, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, one := range found {
		if one.IsDir() {
			_ = syscall.Unmount(filepath.Join(dir, one.Name()), syscall.MNT_DETACH) // most are none
		}
	}
}
