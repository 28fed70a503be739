// Package stacktest gives tests their servers in a line each. A test binary starts at most one small Postgres, on the first call, and
// every test gets a database of its own in it; a Kafka cluster is so light that every test gets its own, in this process, and a ClickHouse
// server starts so quickly that every test gets its own, in a process. Binaries that run at the same time share nothing.
//
//	func TestMain(m *testing.M) { stacktest.Main(m) }
//
//	func TestX(t *testing.T) {
//		t.Parallel()
//		url, brokers, clickhouse := stacktest.Postgres(t), stacktest.Kafka(t), stacktest.ClickHouse(t)
//		…
//	}
package stacktest
