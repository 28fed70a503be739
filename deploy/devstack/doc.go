// Package devstack runs the servers that Tributary needs, on a laptop or in a test, without Docker and without root: Kafka is
// franz-go's kfake with its records on disk; Postgres 18 and ClickHouse's engine are installed once from npm, pinned by hash. Each
// server is a value with the same few verbs: start, stop, kill, restart, pause, resume. None outlives the process that started it,
// however that one ends.
//
//	Start ─┬─ StartKafka ──── this program again, as a child (RunChildIfAsked → ServeKafka → kfake)
//	       ├─ StartPostgres ─ Install (npm ci, once) → initdb (once) → postgres
//	       └─ StartClickHouse  this program again, as a child (→ libchdb, installed likewise → ClickHouse's engine and HTTP server)
//	each child: a group of its own (Ctrl-C reaches us alone) · the kernel's death signal (Linux) · a guard process (everywhere)
//
// Beside it there is StartApacheKafka, for tests of what kfake does not do: clusters of real brokers, from Maven's jars, pinned by hash. It
// needs Java and Maven.
//
// Data lies in one folder: lock, endpoints.env, kafka/ (with its log), postgres/ and clickhouse/ (data, password, log). As root, Postgres
// runs as user 65534; where that user cannot reach the folder (a root home is closed), postgres/ is a link to one that it can reach.
//
// # What kfake does, and does not
//
// Read in its source at the version in go.mod; kafka_test.go and crash_test.go hold it to most of this:
//   - A record is written to its file before it is acknowledged: kill -9 loses none. Only with Sync is it fsynced too, against a power cut.
//   - Topic ids, partitions, topic and broker settings, committed offsets and producer ids survive a restart; a topic deleted and made
//     again has another id. Leader epochs survive an orderly stop; after a crash a partition has the epoch of its last batch.
//   - A crash forgets producers' sequence numbers, so a batch written but not yet acknowledged may be written twice by its retry. It also
//     forgets deletions by DeleteRecords within a batch.
//   - Transactions work, READ_COMMITTED too, and one open at a crash is aborted at the next start. But a commit writes a marker to one
//     partition after another, so a crash just then commits some of them alone; and no abort marker is written at that start, so if the
//     same producer id later commits there and Kafka crashes again, the aborted records count as committed. Real Kafka has neither flaw.
//   - Groups: classic and KIP-848 (next generation). There is no initial rebalance delay.
//   - Honoured topic settings: max.message.bytes (a batch as sent, compressed), cleanup.policy=compact (retention works with and
//     without "delete"), retention.ms and retention.bytes (-1 for ever; looked at each log.cleaner.backoff.ms, an hour), segment.bytes.
//   - message.timestamp.type=LogAppendTime, which kfake leaves without effect, is honoured: appendtime.go sets the times of a batch before
//     kfake sees it, at half a microsecond a record. Times never go back, not even with the clock. Who reads a record is told that its
//     time is a CreateTime.
//   - Stored and described, without effect: min.insync.replicas, segment.ms, compression.type. Names that nobody knows are taken too.
//   - A replication factor above the number of brokers is refused; -1 means as many as there are, at most three.
//
// # What the embedded ClickHouse is, and is not
//
// The library is clickhouse-local, which shares nearly all code with a server, also that of its HTTP interface: /ping, formats, settings,
// compression, sessions, query ids, KILL QUERY and errors are ClickHouse's own. clickhouse_*_test.go hold it to that. It differs so:
//   - It listens for HTTP alone, on 127.0.0.1, not for ClickHouse's native protocol.
//   - There are two users: tributary, who may do everything, and default, without a password, who may only start and stop listening.
//     CREATE USER is refused (514), since only files say who there is.
//   - The database default has the engine Overlay; its tables are like any. Others are as on a server.
//   - system.query_log and system.part_log begin anew with each start; there are no other logs and no asynchronous metrics.
//   - The function file may read what this process may, where a server keeps to a folder.
//   - max_concurrent_queries has no effect; the profile's max_concurrent_queries_for_all_users stands in for it.
//   - The profile pins async_insert to 0.
//   - The configuration is written anew by each start, and SYSTEM RELOAD CONFIG is refused.
//   - A crash is a crash of one process, and that is started again, up to five times in a row.
//
// And what surprises, though any server does it:
//   - An insert is in system.processes once 256 KiB of its body (max_query_size) or all of it have arrived. Until then no KILL finds it.
//   - KILL QUERY … SYNC of an insert that still waits for its client takes up to http_receive_timeout: 10 s here, 30 s by default.
//   - A query whose client went away runs on until it has something to send, or is killed.
//   - A stop in order waits up to 5 s for connections that are open, idle ones too.
package devstack
