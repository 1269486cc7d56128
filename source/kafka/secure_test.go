package kafka_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/internal/kraft"
	"github.com/vlab-research/burrow/source/kafka"
)

func TestTLSAndSCRAMWorkAndRefusalsAreClear(t *testing.T) {
	keystore, roots := kafkatest.SelfSigned(t)
	cluster := kafkatest.Own(t, kraft.Options{
		Protocol: "SASL_SSL", Users: map[string]string{"alice": password},
		Properties: map[string]string{
			"listener.name.client.ssl.keystore.type":     "PEM",
			"listener.name.client.ssl.keystore.location": keystore,
		},
	})
	if out, err := cluster.Admin(t.Context(), kraft.TopicCommand, "--create", "--topic", "orders", "--partitions", "1"); err != nil {
		t.Fatal(err, out)
	}
	trust := func(c *sarama.Config) { c.Net.TLS.Enable, c.Net.TLS.Config = true, &tls.Config{RootCAs: roots} }
	t.Run("the right password works", func(t *testing.T) { worksSecurely(t, cluster.Addrs(), trust, scramAs(password)) })
	for name, test := range map[string]struct {
		configure []func(*sarama.Config)
		says      string
	}{
		"a wrong password":        {[]func(*sarama.Config){trust, scramAs("wrong-" + password)}, "refuse the credentials"},
		"no password":             {[]func(*sarama.Config){trust}, "Net.SASL"},
		"another mechanism":       {[]func(*sarama.Config){trust, plainAs(password)}, "Net.SASL"},
		"no trust in the brokers": {[]func(*sarama.Config){func(c *sarama.Config) { c.Net.TLS.Enable = true }, scramAs(password)}, "certificate"},
		"no TLS":                  {[]func(*sarama.Config){scramAs(password)}, "Net.TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			isRefused(t, cluster.Addrs(), test.configure, test.says)
		})
	}
}

func worksSecurely(t *testing.T, brokers []string, configure ...func(*sarama.Config)) {
	t.Helper()
	log, said := newLogger()
	opts := []kafka.Option{kafka.WithLogger(log)}
	for _, f := range configure {
		opts = append(opts, kafka.WithSarama(f))
	}
	p := newProducer(t, brokers, configure...)
	if err := p.Publish(t.Context(), "orders", nil, []byte("a spade"), nil); err != nil {
		t.Fatal(err)
	}
	e := newEngine()
	src := newSource(t, brokers, "orders", opts...)
	run(t, src, e)
	if m := next(t, e.messages, "a message"); string(m.Value()) != "a spade" {
		t.Errorf("received %q", m.Value())
	}
	if err := commit(src, next(t, e.claims, "the claim"), 1); err != nil {
		t.Errorf("commit: %v", err)
	}
	wantSecret(t, said.text()+saramaLines.text())
}

func isRefused(t *testing.T, brokers []string, configure []func(*sarama.Config), says string) {
	t.Helper()
	log, said := newLogger()
	opts := []kafka.Option{kafka.WithLogger(log), kafka.WithStartTimeout(5 * time.Second)}
	for _, f := range configure {
		opts = append(opts, kafka.WithSarama(f))
	}
	began := time.Now()
	err := runAndFail(t, newSource(t, brokers, "orders", opts...))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Run took %v to fail", took)
	}
	if !contains(err, says) || !contains(err, brokers[0]) {
		t.Errorf("%q doesn't say %q and the broker", err, says)
	}
	_, produceErr := kafka.NewProducer(brokers, opts...)
	if !contains(produceErr, says) || !contains(produceErr, brokers[0]) {
		t.Errorf("NewProducer: %q doesn't say %q and the broker", produceErr, says)
	}
	wantSecret(t, fmt.Sprint(err, produceErr)+said.text()+saramaLines.text())
}

func wantSecret(t *testing.T, told string) {
	t.Helper()
	if strings.Contains(told, password) || strings.Contains(told, base64.StdEncoding.EncodeToString([]byte(password))) {
		t.Error("the password is told")
	}
}
