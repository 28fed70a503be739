package devstack

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

const (
	// clusterID is any UUID in Kafka's spelling; clusters of tests are told apart by their ports.
	clusterID = "dHJpYnV0YXJ5LWxlZGdlcg"
	// brokerProperties is the name of a broker's configuration.
	brokerProperties = "server.properties"
	// brokerDeath is what a broker gets when we die, however we die: nobody needs its data any more.
	brokerDeath = syscall.SIGKILL
)

// jvm is a command that runs a class of Kafka's.
func (k *ApacheKafka) jvm(ctx context.Context, dir, class string, args ...string) *exec.Cmd {
	pace := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"} // quick to start, beside others
	if k.config.Steady {
		pace = []string{"-XX:+UseG1GC"}
	}
	all := slices.Concat(pace, []string{
		"-Xmx" + strconv.Itoa(k.config.HeapMB) + "m", "-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError",
		"-Dlog4j2.configurationFile=" + filepath.Join(dir, "log4j2.properties"), "-cp", filepath.Join(k.jars, "*"), class,
	}, args)
	return exec.CommandContext(ctx, k.java, all...) //nolint:gosec // found on PATH
}

// properties are a broker's configuration: KRaft with combined roles, the safety of a production cluster as far as the number of brokers
// allows, and groups and failures that are noticed sooner than there, so that tests need not wait.
func (k *ApacheKafka) properties(b *Broker) []byte {
	replicas := min(len(k.brokers), 3) //nolint:mnd // as everybody has
	inSync := max(replicas-1, 1)
	settings := map[string]string{
		"process.roles":                            "broker,controller",
		"node.id":                                  strconv.Itoa(b.id),
		"controller.quorum.voters":                 k.voters(),
		"controller.listener.names":                "CONTROLLER",
		"inter.broker.listener.name":               "INTERNAL",
		"listener.security.protocol.map":           "CLIENT:" + k.config.Security.protocol() + ",INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
		"listeners":                                b.listeners(local(b.ports.client)) + ",CONTROLLER://" + local(b.ports.controller),
		"advertised.listeners":                     b.listeners(k.advertised(b)),
		"log.dirs":                                 filepath.Join(k.dir(b), "data"),
		"auto.create.topics.enable":                "false",
		"default.replication.factor":               strconv.Itoa(replicas),
		"min.insync.replicas":                      strconv.Itoa(inSync),
		"offsets.topic.replication.factor":         strconv.Itoa(replicas),
		"transaction.state.log.replication.factor": strconv.Itoa(replicas),
		"transaction.state.log.min.isr":            strconv.Itoa(inSync),
		"offsets.topic.num.partitions":             "3",
		"transaction.state.log.num.partitions":     "3",
		// A broker that died is noticed within 3 s instead of 9.
		"broker.session.timeout.ms":    "3000",
		"broker.heartbeat.interval.ms": "500",
		// A member that died is noticed when its client says so.
		"group.initial.rebalance.delay.ms":         "0",
		"group.min.session.timeout.ms":             "100",
		"group.consumer.min.session.timeout.ms":    "1000",
		"group.consumer.min.heartbeat.interval.ms": "250",
		"group.consumer.heartbeat.interval.ms":     "250",
		// Small: many run side by side.
		"num.network.threads":               "2",
		"num.io.threads":                    "2",
		"log.cleaner.dedupe.buffer.size":    "4194304",
		"share.coordinator.threads":         "1",
		"group.coordinator.threads":         "1",
		"num.recovery.threads.per.data.dir": "2",
	}
	k.secure(settings)
	maps.Copy(settings, k.config.Configs)
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s=%s\n", name, strings.ReplaceAll(settings[name], `\`, `\\`))
	}
	return text.Bytes()
}

func (b *Broker) listeners(client string) string {
	return "CLIENT://" + client + ",INTERNAL://" + local(b.ports.internal)
}

// advertised is the address that a broker's clients are told.
func (k *ApacheKafka) advertised(b *Broker) string {
	if len(k.config.Advertise) >= b.id {
		return k.config.Advertise[b.id-1]
	}
	return local(b.ports.client)
}

func (k *ApacheKafka) voters() string {
	voters := make([]string, 0, len(k.brokers))
	for _, b := range k.brokers {
		voters = append(voters, fmt.Sprintf("%d@%s", b.id, local(b.ports.controller)))
	}
	return strings.Join(voters, ",")
}
