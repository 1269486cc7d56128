package hostile_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vlab-research/burrow"
	"github.com/vlab-research/burrow/internal/kafkatest"
	"github.com/vlab-research/burrow/pipeline"
	"github.com/vlab-research/burrow/source/kafka"
)

// The window bounds what is done without a commit; then the pipeline waits, and says why.
func TestACoordinatorThatLoadsForLongStopsAtTheWindowAndLosesNothing(t *testing.T) {
	t.Parallel()
	const n, window = 500, 50
	g := newGround(t, kafkatest.Fakes(t), 1)
	r := g.start(t, func(b burrow.Builder) burrow.Builder { return b.WithMaxInFlight(window) })
	g.committed(t, 0, 0) // the start is pinned
	fault := g.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: g.group, Err: kerr.CoordinatorLoadInProgress, Count: -1})
	g.fill(t, 1, n)
	eventually(t, "a full window", func() bool { return r.Stats().Processed == window })
	began, hits := time.Now(), fault.Hits()
	eventually(t, "more tries of the commit", func() bool { return time.Since(began) > time.Second && fault.Hits() >= hits+3 })
	if perSecond := float64(fault.Hits()-hits) / time.Since(began).Seconds(); perSecond > 40 {
		t.Errorf("%.0f commits a second to a coordinator that loads", perSecond)
	}
	if s := r.Stats(); s.Received > window || s.CommitFailures == 0 {
		t.Errorf("received %d with a window of %d, %d refused commits counted", s.Received, window, s.CommitFailures)
	}
	if err := r.Health(); !errors.Is(err, pipeline.ErrCommitRefused) {
		t.Errorf("Health: %v", err)
	}
	fault.Remove()
	g.committed(t, 0, n)
	r.stop(t)
	g.wantOnce(t, n)
}

func TestNeitherACoordinatorNorALeaderThatMovesCostsARepeat(t *testing.T) {
	t.Parallel()
	const partitions, rounds, each = 4, 12, 50
	g := newGround(t, kafkatest.Fakes(t, kfake.NumBrokers(3)), partitions)
	r := g.start(t, func(b burrow.Builder) burrow.Builder { return b.WithOrdering(burrow.ByPartition) })
	var leaders, coordinators int
	for round := range rounds {
		g.fill(t, partitions, each)
		for p := range int32(partitions) {
			leader := g.Fake().LeaderFor(g.topic, p)
			if err := g.Fake().MoveTopicPartition(g.topic, p, (leader+1)%3); err != nil {
				t.Fatal(err)
			}
			leaders++
		}
		before := g.Fake().CoordinatorFor(g.group)
		g.Fake().RehashCoordinators()
		if g.Fake().CoordinatorFor(g.group) != before {
			coordinators++
		}
		eventually(t, "the round's messages", func() bool { n, _ := g.counts(); return n == (round+1)*partitions*each })
	}
	for p := range int32(partitions) {
		g.committed(t, p, rounds*each)
	}
	r.stop(t)
	if coordinators == 0 {
		t.Error("the coordinator never moved")
	}
	_, repeated := g.counts()
	if repeated > 0 || g.back > 0 {
		t.Errorf("%d messages repeated, %d out of order, after %d moves of leaders and %d of the coordinator", repeated, g.back, leaders, coordinators)
	}
}

// Tools and other clients store what they like beside an offset.
func TestForeignCommitMetadataIsIgnored(t *testing.T) {
	t.Parallel()
	for name, metadata := range map[string]string{
		"4 kB of noise": noise(4000), "invalid UTF-8": "\xff\xfe\x00", "another library's": "bitmap:AAAAAAAA", "empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGround(t, kafkatest.Brokers(t), 1)
			g.fill(t, 1, 20)
			var at kadm.Offsets
			at.Add(kadm.Offset{Topic: g.topic, Partition: 0, At: 5, LeaderEpoch: -1, Metadata: metadata})
			if err := g.admin(t).CommitAllOffsets(t.Context(), g.group, at); err != nil {
				t.Fatal(err)
			}
			r := g.start(t, nil)
			g.committed(t, 0, 20)
			r.stop(t)
			g.wantOnce(t, 15)
			if offsets := g.offsets(0); offsets[0] != 5 {
				t.Errorf("it began at %d, want 5", offsets[0])
			}
		})
	}
}

// noise is text of a length that compresses badly.
func noise(n int) string {
	text := make([]byte, n)
	for i := range text {
		text[i] = byte('!' + (i*i*7+i/3)%90)
	}
	return string(text)
}

// What is small can't be too large for the broker.
func TestACommitsMetadataIsTheTopicsIDAndNothingElse(t *testing.T) {
	t.Parallel()
	g := newGround(t, kafkatest.Fakes(t), 1)
	var mu sync.Mutex
	told := make(map[string]int)
	g.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		for _, topic := range r.(*kmsg.OffsetCommitRequest).Topics {
			for _, p := range topic.Partitions {
				told[*p.Metadata]++
			}
		}
		return true
	}})
	g.fill(t, 1, 100)
	r := g.start(t, nil)
	g.committed(t, 0, 100)
	r.stop(t)
	topics, err := g.admin(t).ListTopics(t.Context(), g.topic)
	if err != nil {
		t.Fatal(err)
	}
	id := topics[g.topic].ID
	want := "burrow topic-id=" + base64.RawURLEncoding.EncodeToString(id[:])
	mu.Lock()
	defer mu.Unlock()
	if told[want] < 2 || len(told) != 1 { // of the start and of the end
		t.Errorf("commits carry %v, want %q", told, want)
	}
}

// A right that is taken away ends Run with an error that says which; what was done is
// committed as far as it may be, and the next start goes on.
func TestARightTakenAwayMidwayIsAClearErrorAndLosesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		key  kmsg.Key
		err  *kerr.Error
		says error
	}{
		"to commit":         {kmsg.OffsetCommit, kerr.GroupAuthorizationFailed, sarama.ErrGroupAuthorizationFailed},
		"to the group":      {kmsg.Heartbeat, kerr.GroupAuthorizationFailed, sarama.ErrGroupAuthorizationFailed},
		"to read the topic": {kmsg.Fetch, kerr.TopicAuthorizationFailed, sarama.ErrTopicAuthorizationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGround(t, kafkatest.Fakes(t), 1)
			g.fill(t, 1, 50)
			r := g.start(t, nil, withPassword)
			g.committed(t, 0, 50)
			fault := g.Fake().Fault(kfake.Fault{Keys: []kmsg.Key{test.key}, Err: test.err, Count: -1, TopLevel: test.key == kmsg.Heartbeat})
			g.fill(t, 1, 50)
			if err := r.wait(t); !errors.Is(err, test.says) {
				t.Errorf("Run: %v, want %v", err, test.says)
			}
			if leaked := leaks(r.err.Error()); len(leaked) > 0 {
				t.Errorf("the error holds the password: %v", r.err)
			}
			fault.Remove()
			again := g.start(t, nil, withPassword)
			g.committed(t, 0, 100)
			again.stop(t)
			if processed, _ := g.counts(); processed != 100 {
				t.Errorf("%d messages processed of 100", processed)
			}
			g.told.keepsSecrets(t, false)
		})
	}
}

// withPassword sets credentials that aren't used, to look for them in what is told.
var withPassword = kafka.WithSarama(func(c *sarama.Config) { c.Net.SASL.User, c.Net.SASL.Password = "alice", secret })

// Credentials that expire are noticed at the next connection.
func TestCredentialsRefusedMidwayAreAClearErrorAndLoseNothing(t *testing.T) {
	t.Parallel()
	admit := []kgo.Opt{kgo.SASL(plain.Auth{User: "alice", Pass: secret}.AsMechanism())}
	g := newGround(t, kafkatest.FakesFor(t, admit, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", secret)), 1)
	enable := kafka.WithSarama(func(c *sarama.Config) { c.Net.SASL.Enable = true })
	g.fill(t, 1, 50)
	r := g.start(t, nil, withPassword, enable)
	g.committed(t, 0, 50)
	g.fill(t, 1, 50)
	var expired atomic.Bool
	expired.Store(true)
	g.Fake().ControlKey(int16(kmsg.SASLAuthenticate), func(r kmsg.Request) (kmsg.Response, error, bool) {
		g.Fake().KeepControl()
		response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		response.ErrorCode, response.ErrorMessage = kerr.SaslAuthenticationFailed.Code, kmsg.StringPtr("Authentication failed: token expired")
		return response, nil, expired.Load()
	})
	for _, key := range []kmsg.Key{kmsg.Fetch, kmsg.Heartbeat, kmsg.OffsetCommit, kmsg.Metadata} {
		g.Fake().ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
			return nil, errors.New("the connection is cut once"), true
		})
	}
	if err := r.wait(t); !errors.Is(err, sarama.ErrSASLAuthenticationFailed) {
		t.Errorf("Run: %v", err)
	}
	if leaked := leaks(fmt.Sprint(r.err)); len(leaked) > 0 {
		t.Errorf("the error holds the password: %v", r.err)
	}
	expired.Store(false)
	again := g.start(t, nil, withPassword, enable)
	eventually(t, "the rest", func() bool { n, _ := g.counts(); return n == 100 })
	again.stop(t)
	g.told.keepsSecrets(t, false)
}
