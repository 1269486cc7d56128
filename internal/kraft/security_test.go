package kraft_test

import (
	"crypto/tls"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/internal/kraft"
)

func TestUsersAreAskedForTheirPassword(t *testing.T) {
	cluster := start(t, kraft.Options{Protocol: "SASL_PLAINTEXT", Users: map[string]string{"alice": "wonderland"}})
	alice := connect(t, cluster, kgo.SASL(scram.Auth{User: "alice", Pass: "wonderland"}.AsSha256Mechanism()))
	if err := alice.Ping(testContext(t)); err != nil {
		t.Errorf("the right password is refused: %v", err)
	}
	mallory := connect(t, cluster, kgo.SASL(scram.Auth{User: "alice", Pass: "guess"}.AsSha256Mechanism()))
	if err := mallory.Ping(testContext(t)); err == nil {
		t.Error("a wrong password is taken")
	}
}

func TestPropertiesGiveTheClientsTLS(t *testing.T) {
	skipUnlessLocal(t)
	keystore, roots := kafkatest.SelfSigned(t)
	cluster := start(t, kraft.Options{Protocol: "SSL", Properties: map[string]string{
		"listener.name.client.ssl.keystore.type":     "PEM",
		"listener.name.client.ssl.keystore.location": keystore,
	}})
	trusting := connect(t, cluster, kgo.DialTLSConfig(&tls.Config{RootCAs: roots}))
	if err := trusting.Ping(testContext(t)); err != nil {
		t.Errorf("no TLS with the broker's own certificate: %v", err)
	}
}
