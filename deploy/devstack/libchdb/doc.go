// Package libchdb loads ClickHouse's engine, which is published as a shared library, into this process, without cgo. The library holds
// the whole of clickhouse-local, and with it ClickHouse's own HTTP server.
//
// The engine belongs to its process: it starts some twenty threads, one engine at a time, and a crash in it ends the process. So give it
// a process of its own.
package libchdb
