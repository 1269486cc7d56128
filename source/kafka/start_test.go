package kafka_test

import (
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source/kafka"
)

const password = "correct-horse-battery"

func TestAStartThatCannotWorkIsAClearErrorInTime(t *testing.T) {
	t.Parallel()
	authorization := func(key kmsg.Key, group string, err *kerr.Error) func(testing.TB) string {
		return func(t testing.TB) string {
			t.Helper()
			c := newCluster(t, kfake.SeedTopics(1, "orders"))
			c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Group: group, Err: err, Count: -1})
			return c.ListenAddrs()[0]
		}
	}
	for name, test := range map[string]struct {
		broker func(testing.TB) string
		opts   []kafka.Option
		topic  string
		says   []string
	}{
		"a closed port":                  {broker: closedPort, says: []string{"refused"}},
		"another protocol":               {broker: garbage, says: []string{"speaks HTTP"}},
		"a port without answers":         {broker: silence, says: []string{"WithStartTimeout"}},
		"an unknown topic":               {broker: plain, topic: "oders", says: []string{"oders", "create it"}},
		"refused credentials":            {broker: refusing, opts: []kafka.Option{withPassword(password)}, says: []string{"refuse the credentials"}},
		"credentials refused by closing": {broker: guarded, opts: []kafka.Option{withPassword(password)}, says: []string{"Net.SASL"}},
		"missing credentials":            {broker: guarded, says: []string{"Net.SASL"}},
		"no right to find the group": {
			broker: authorization(kmsg.FindCoordinator, "g", kerr.GroupAuthorizationFailed),
			says:   []string{"group \"g\"", "not authorized"},
		},
		"no right to join the group": {
			broker: authorization(kmsg.JoinGroup, "", kerr.GroupAuthorizationFailed),
			says:   []string{"group \"g\"", "not authorized"},
		},
		"no right to read the topic": {
			broker: authorization(kmsg.Fetch, "", kerr.TopicAuthorizationFailed),
			says:   []string{"orders", "not authorized"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := test.broker(t)
			log, said := newLogger()
			topic := test.topic
			if topic == "" {
				topic = "orders"
			}
			opts := append([]kafka.Option{kafka.WithLogger(log), kafka.WithStartTimeout(3 * time.Second)}, test.opts...)
			began := time.Now()
			err := runAndFail(t, newSource(t, []string{broker}, topic, opts...))
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("Run took %v to fail", took)
			}
			for _, text := range append(test.says, broker) {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q doesn't say %q", err, text)
				}
			}
			if strings.Contains(err.Error()+said.text()+saramaLines.text(), password) {
				t.Errorf("the password is told: %q, or in the log", err)
			}
		})
	}
}

// Brokers learn of a new topic one after the other, and for a moment some don't have it.
func TestATopicThatWasJustCreatedIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	var asked atomic.Int32
	patient := make(chan struct{})
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		if len(r.(*kmsg.MetadataRequest).Topics) > 0 && asked.Add(1) == 2*int32(sarama.NewConfig().Metadata.Retry.Max+1) {
			close(patient)
		}
		return nil, nil, false
	})
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	next(t, patient, "a second look for the topic")
	if err := c.CreateTopic("orders", 1, nil); err != nil {
		t.Fatal(err)
	}
	next(t, e.claims, "the claim")
}

func TestAProducerThatCannotStartIsAClearErrorInTime(t *testing.T) {
	t.Parallel()
	for name, broker := range map[string]func(testing.TB) string{
		"a closed port": closedPort, "another protocol": garbage, "a port without answers": silence, "refused credentials": refusing,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := broker(t)
			began := time.Now()
			_, err := kafka.NewProducer([]string{at}, kafka.WithSarama(quick), kafka.WithStartTimeout(3*time.Second), withPassword(password))
			if !contains(err, at) || contains(err, password) {
				t.Errorf("NewProducer: %v", err)
			}
			if took := time.Since(began); took > 8*time.Second {
				t.Errorf("NewProducer took %v to fail", took)
			}
		})
	}
}

func plain(t testing.TB) string {
	t.Helper()
	return newCluster(t, kfake.SeedTopics(1, "orders"), kfake.AllowAutoTopicCreation()).ListenAddrs()[0]
}

func guarded(t testing.TB) string {
	t.Helper()
	return newCluster(t, kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "another")).ListenAddrs()[0]
}

// refusing answers wrong credentials as Kafka does.
func refusing(t testing.TB) string {
	t.Helper()
	c := newCluster(t, kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "another"))
	c.ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		response.ErrorCode, response.ErrorMessage = kerr.SaslAuthenticationFailed.Code, kmsg.StringPtr("Authentication failed")
		return response, nil, true
	})
	return c.ListenAddrs()[0]
}

func withPassword(p string) kafka.Option {
	return kafka.WithSarama(func(c *sarama.Config) {
		c.Net.SASL.Enable, c.Net.SASL.User, c.Net.SASL.Password = true, "admin", p
	})
}

func closedPort(t testing.TB) string {
	t.Helper()
	l := listen(t, func(net.Conn) {})
	_ = l.Close()
	return l.Addr().String()
}

// garbage answers like a web server.
func garbage(t testing.TB) string {
	t.Helper()
	return listen(t, func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")) }).Addr().String()
}

func silence(t testing.TB) string {
	t.Helper()
	return listen(t, func(net.Conn) {}).Addr().String()
}

// listen accepts connections, greets and reads from them until the test ends.
func listen(t testing.TB, greet func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		var conns []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			greet(c)
			conns = append(conns, c)
		}
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-over })
	return l
}

func TestSaramasLinesGoToTheLoggerAtDebug(t *testing.T) {
	t.Parallel()
	newProducer(t, newCluster(t).ListenAddrs())
	for _, text := range []string{"level=debug", "Successfully initialized new client\"", "obtained a ProducerId"} {
		if !strings.Contains(saramaLines.text(), text) {
			t.Errorf("%q isn't in the log", text)
		}
	}
}
