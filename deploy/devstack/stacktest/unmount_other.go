//go:build !linux

package stacktest

// unmountIn does nothing: file systems are mounted on Linux alone.
func unmountIn(string) {}
