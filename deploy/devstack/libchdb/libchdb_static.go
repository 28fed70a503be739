//go:build static

package libchdb

import "errors"

// Built tells whether this program can load the engine: one that is linked with nothing has no loader for shared libraries.
const Built = false

// Run fails: see Built.
func Run(library string, _ ...string) error {
	return errors.New("this program was built without a loader for ClickHouse's engine (" + library + "): build it without -tags static")
}

// Settle has nothing to do where there is no engine.
func Settle() error { return nil }
