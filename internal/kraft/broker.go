package kraft

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// broker is one node, running or not.
type broker struct {
	id                           int
	dir                          string
	client, internal, controller string // host:port of the listeners
	advertised                   string // what clients are told instead of client
	kafka                        *installation
	jvm                          []string
	proc                         *process // nil until the first start
}

func (b *broker) logFile() string    { return filepath.Join(b.dir, "kafka.log") }
func (b *broker) configFile() string { return filepath.Join(b.dir, "server.properties") }

// voter is how controllers name each other.
func (b *broker) voter() string { return fmt.Sprintf("%d@%s", b.id, b.controller) }

// configure makes the broker's folder and writes its server.properties.
func (b *broker) configure(all []*broker, opts Options) error {
	if err := os.MkdirAll(b.dir, 0o750); err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	props := b.defaults(all, opts)
	maps.Copy(props, opts.Properties)
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(props)) {
		fmt.Fprintf(&text, "%s=%s\n", key, strings.ReplaceAll(props[key], `\`, `\\`))
	}
	if err := os.WriteFile(b.configFile(), []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	return nil
}

// defaults are the settings of a broker made for tests: small, quick to start, to
// rebalance and to come back after a kill.
func (b *broker) defaults(all []*broker, opts Options) map[string]string {
	replicas := strconv.Itoa(len(all))
	inSync := strconv.Itoa(len(all)/2 + 1)
	protocol := opts.Protocol
	if protocol == "" {
		protocol = "PLAINTEXT"
	}
	props := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        strconv.Itoa(b.id),
		"controller.quorum.voters":       strings.Join(each(all, (*broker).voter), ","),
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "INTERNAL",
		"listeners":                      fmt.Sprintf("CLIENT://%s,INTERNAL://%s,CONTROLLER://%s", b.client, b.internal, b.controller),
		"advertised.listeners":           fmt.Sprintf("CLIENT://%s,INTERNAL://%s", b.advertised, b.internal),
		"listener.security.protocol.map": fmt.Sprintf("CLIENT:%s,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT", protocol),
		"log.dirs":                       filepath.Join(b.dir, "data"),

		"auto.create.topics.enable":                        "false",
		"default.replication.factor":                       replicas,
		"offsets.topic.replication.factor":                 replicas,
		"offsets.topic.num.partitions":                     "4",
		"transaction.state.log.replication.factor":         replicas,
		"transaction.state.log.min.isr":                    inSync,
		"transaction.state.log.num.partitions":             "4",
		"share.coordinator.state.topic.replication.factor": replicas,
		"share.coordinator.state.topic.min.isr":            inSync,

		"group.initial.rebalance.delay.ms": "0",
		"group.min.session.timeout.ms":     "100",
		"broker.heartbeat.interval.ms":     "500",
		"broker.session.timeout.ms":        "3000", // a killed broker is let in again only after this
		"log.cleaner.backoff.ms":           "500",
		"log.cleaner.dedupe.buffer.size":   "8388608",
	}
	if len(opts.Users) > 0 {
		props["sasl.enabled.mechanisms"] = "SCRAM-SHA-256"
		props["listener.name.client.scram-sha-256.sasl.jaas.config"] = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
	}
	return props
}

// format prepares the data folder.
func (b *broker) format(ctx context.Context, clusterID string, users map[string]string) error {
	args := []string{"format", "--ignore-formatted", "-t", clusterID, "-c", b.configFile()}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		args = append(args, "--add-scram", fmt.Sprintf("SCRAM-SHA-256=[name=%s,password=%s]", name, users[name]))
	}
	_, err := b.kafka.tool(ctx, "kafka.tools.StorageTool", args...)
	return err
}

// start starts the process. It doesn't wait until the broker can be used.
func (b *broker) start() error {
	log, err := os.OpenFile(b.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("kraft: %w", err)
	}
	defer log.Close() //nolint:errcheck // the process has its own handle
	args := slices.Concat([]string{"-Xmx512m", "-XX:+UseSerialGC"}, b.jvm, b.kafka.jvmArgs("INFO"), []string{"kafka.Kafka", b.configFile()})
	cmd := exec.Command(b.kafka.java, args...) //nolint:noctx // it outlives the start's context
	cmd.Dir, cmd.Stdout, cmd.Stderr = b.dir, log, log
	b.proc, err = startProcess(cmd)
	return err
}
