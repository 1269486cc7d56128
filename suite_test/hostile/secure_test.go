package hostile_test

import (
	"crypto/tls"
	"os"
	"testing"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/internal/kraft"
	"github.com/vlab-research/burrow/source/kafka"
)

func TestHostileRecordsOverTLSAndSCRAM(t *testing.T) {
	t.Parallel()
	keystore, roots := kafkatest.SelfSigned(t)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	client := []kgo.Opt{kgo.DialTLSConfig(trust), kgo.SASL(scram.Auth{User: "alice", Pass: secret}.AsSha256Mechanism())}
	var b *kafkatest.Broker
	if os.Getenv(kafkatest.Env) == "local" {
		b = kafkatest.On(t, secureKafka(t, keystore), client...)
	} else {
		pair, err := tls.LoadX509KeyPair(keystore, keystore)
		if err != nil {
			t.Fatal(err)
		}
		b = kafkatest.FakesFor(t, client, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}),
			kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "alice", secret))
	}
	campaign(t, b, 17, kafka.WithSarama(func(c *sarama.Config) {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, trust
		c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, "alice", secret
		c.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA256
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return new(kafkatest.SCRAM) }
	}))
}

func secureKafka(t *testing.T, keystore string) *kraft.Cluster {
	t.Helper()
	return kafkatest.Own(t, kraft.Options{Protocol: "SASL_SSL", Users: map[string]string{"alice": secret}, Properties: map[string]string{
		"listener.name.client.ssl.keystore.type":     "PEM",
		"listener.name.client.ssl.keystore.location": keystore,
	}})
}
