package devstack

import (
	"context"
	_ "embed"
	"log/slog"
)

//go:embed apachekafka/pom.xml
var apacheKafkaPOM []byte

// apacheKafkaHashes pins each jar, as sha256sum prints it: what Maven checks a download by comes from the same place as the download.
//
//go:embed apachekafka/jars.sha256
var apacheKafkaHashes []byte

//go:embed apachekafka/log4j2.properties
var apacheKafkaLogging []byte

// ApacheKafkaHere returns nil where StartApacheKafka can run Apache Kafka, else what is missing.
func ApacheKafkaHere(ctx context.Context) error { return JavaHere(ctx) }

// installApacheKafka makes the brokers' jars available and returns their folder.
func installApacheKafka(ctx context.Context, logger *slog.Logger) (jars string, err error) {
	return InstallJars(ctx, logger, Jars{Name: "apache-kafka", POM: apacheKafkaPOM, Hashes: apacheKafkaHashes})
}
