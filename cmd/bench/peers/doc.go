// Package peers are the other ways to the same tables, each as a competent team would set it up, over the same events, brokers and stores
// as the product. The benchmark runs them on request.
//
//	log ─┬──────────────────▶ a consumer, one transaction a record ──────▶ Postgres: entries, balances, offsets
//	     └─Prepare─┬─entries─▶ Debezium's JDBC sink on Kafka Connect ────▶ Postgres: entries
//	               ├─entries─▶ Kafka Streams, exactly_once_v2 ───────────▶ Kafka: balances, a changelog
//	               └─revenue─▶ ClickHouse's Kafka engine ────────────────▶ ClickHouse: events, with the product's aggregate
//
// Those that cannot read the log's protobuf get rows as JSON, worked out for them beforehand: what an event does to the books is then no
// part of what they are measured at. Each runs to an end that is fixed when it starts, and its tables are left for whoever wants to check
// them; the tests do, against what the simulation says itself that its events come to.
package peers
