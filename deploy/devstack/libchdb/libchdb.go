//go:build !static

package libchdb

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Built tells whether this program can load the engine.
const Built = true

// symbols are the functions of the library that we call, as chdb.h of chDB 26.7 declares them.
type symbols struct {
	setSignalHandlers func(enabled int32)
	runCommandLine    func(argc int32, argv **byte) unsafe.Pointer
	resultError       func(result unsafe.Pointer) string
	destroyResult     func(result unsafe.Pointer)
}

// Run is clickhouse-local: it runs the engine in library, an absolute path, with the arguments of clickhouse-local (without the program's
// name), and returns when its queries are done. What they print is dropped; the engine writes its errors to standard error, and Run
// returns those that it knows of. The Go runtime keeps its signal handlers; call Settle when the engine has started.
func Run(library string, args ...string) error {
	calls, err := load(library)
	if err != nil {
		return err
	}
	calls.setSignalHandlers(0) // before anything else: its handlers and the Go runtime's do not get along
	runtime.LockOSThread()     // for good: the engine gives this thread a signal stack of its own
	argv := make([]*byte, 0, len(args)+2)
	for _, arg := range append([]string{"clickhouse-local"}, args...) {
		argv = append(argv, &append([]byte(arg), 0)[0])
	}
	argv = append(argv, nil)
	// The library reads the array and what it points to, both Go's, for as long as it runs.
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(&argv[0])
	for _, arg := range argv[:len(argv)-1] {
		pinner.Pin(arg)
	}
	result := calls.runCommandLine(int32(len(argv)-1), &argv[0]) //nolint:gosec // a handful
	if result == nil {
		return errors.New("ClickHouse's engine ended without a result")
	}
	defer calls.destroyResult(result)
	if text := calls.resultError(result); text != "" {
		return fmt.Errorf("ClickHouse's engine: %s", text)
	}
	return nil
}

// Settle makes what the engine left in the process safe for the Go runtime. It is to be called once the engine runs.
func Settle() error {
	return useSignalStacks()
}

func load(library string) (calls symbols, err error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return calls, fmt.Errorf("loading ClickHouse's engine from %s: %w", library, err)
	}
	for name, function := range map[string]any{
		"chdb_set_signal_handlers_enabled": &calls.setSignalHandlers,
		"chdb_query_cmdline":               &calls.runCommandLine,
		"chdb_result_error":                &calls.resultError,
		"chdb_destroy_query_result":        &calls.destroyResult,
	} {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return calls, fmt.Errorf("%s is not the engine that we know: %w", library, err)
		}
		purego.RegisterFunc(function, address)
	}
	return calls, nil
}
