//go:build !linux && !static

package libchdb

// useSignalStacks has nothing to do where there is no engine.
func useSignalStacks() error { return nil }
