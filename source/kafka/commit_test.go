package kafka_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/source/kafka"
)

func TestEveryAnswerToACommitHasItsVerdict(t *testing.T) {
	t.Parallel()
	again := errors.New("any other error")
	for answer, want := range map[*kerr.Error]error{
		kerr.IllegalGeneration:           source.ErrFenced,
		kerr.UnknownMemberID:             source.ErrFenced,
		kerr.FencedInstanceID:            source.ErrFenced,
		kerr.GroupIDNotFound:             source.ErrFenced,
		kerr.TopicAuthorizationFailed:    source.ErrDenied,
		kerr.GroupAuthorizationFailed:    source.ErrDenied,
		kerr.InvalidTopicException:       source.ErrDenied,
		kerr.OffsetMetadataTooLarge:      again, // without
		kerr.InvalidCommitOffsetSize:     source.ErrDenied,
		kerr.InvalidGroupID:              source.ErrDenied,
		kerr.InvalidRequest:              source.ErrDenied,
		kerr.UnsupportedVersion:          source.ErrDenied,
		kerr.RebalanceInProgress:         again,
		kerr.CoordinatorLoadInProgress:   again,
		kerr.CoordinatorNotAvailable:     again,
		kerr.NotCoordinator:              again,
		kerr.RequestTimedOut:             again,
		kerr.UnknownTopicOrPartition:     again,
		kerr.NotEnoughReplicas:           again,
		kerr.UnknownServerError:          again,
		kerr.ThrottlingQuotaExceeded:     again,
		kerr.KafkaStorageError:           again,
		kerr.NotLeaderForPartition:       again,
		kerr.ClusterAuthorizationFailed:  source.ErrDenied,
		kerr.UnsupportedForMessageFormat: source.ErrDenied,
	} {
		t.Run(answer.Message, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(2, "orders"))
			e := newEngine()
			src := newSource(t, c.ListenAddrs(), "orders")
			run(t, src, e)
			commits := []source.Commit{{Claim: next(t, e.claims, "a claim")}, {Claim: next(t, e.claims, "a claim")}}
			bad := commits[1].Claim.Partition()
			fault := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Topic: "orders", Partitions: []int32{bad}, Err: answer})
			verdicts := src.Commit(t.Context(), commits)
			if fault.Hits() != 1 {
				t.Fatalf("the broker answered %d requests, want 1 for both claims", fault.Hits())
			}
			if verdicts[0] != nil {
				t.Errorf("the other claim of the request: %v", verdicts[0])
			}
			err := verdicts[1]
			if err == nil || errors.Is(err, source.ErrFenced) != (want == source.ErrFenced) || errors.Is(err, source.ErrDenied) != (want == source.ErrDenied) {
				t.Errorf("verdict %v, want %v", err, want)
			}
			if want == again {
				if err := commit(src, commits[1].Claim, 0); err != nil {
					t.Errorf("the next try: %v", err)
				}
			}
		})
	}
}

func TestACommitOnAnIdleTopicDoesNotWaitForALongPoll(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	took := make([]time.Duration, 21)
	for i := range took {
		began := time.Now()
		if err := commit(src, claim, 0); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 50*time.Millisecond {
		t.Errorf("a commit takes %v", median)
	}
}

func TestOnlyItsOwnClaimsAreCommitted(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	idle := newSource(t, c.ListenAddrs(), "orders")
	if err := commit(idle, claim, 1); !errors.Is(err, source.ErrFenced) {
		t.Errorf("another source's claim: %v, want ErrFenced", err)
	}
	if err := commit(src, struct{ source.Claim }{claim}, 1); !errors.Is(err, source.ErrFenced) {
		t.Errorf("a wrapped claim: %v, want ErrFenced", err)
	}
	if at := committed(c, "orders", 0); at != 0 {
		t.Errorf("committed %d", at)
	}
}

func TestACommitReturnsWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	arrived := make(chan struct{})
	c.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		close(arrived)
		return nil, nil, true // never answered
	})
	ctx, cancel := context.WithCancel(t.Context())
	verdict := make(chan error, 1)
	go func() { verdict <- src.Commit(ctx, []source.Commit{{Claim: claim, Next: 0}})[0] }()
	next(t, arrived, "the request")
	cancel()
	if err := next(t, verdict, "the verdict"); !errors.Is(err, context.Canceled) {
		t.Errorf("verdict %v", err)
	}
	if err := commit(src, claim, 0); err != nil {
		t.Errorf("the next commit: %v", err)
	}
}

func TestACommitWithoutAnAnswerTimesOutAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders", kafka.WithCommitTimeout(200*time.Millisecond))
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	c.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) { return nil, nil, true })
	err := commit(src, claim, 0)
	if err == nil || errors.Is(err, source.ErrFenced) || errors.Is(err, source.ErrDenied) {
		t.Errorf("verdict %v, want one that may be tried again", err)
	}
	eventually(t, "a commit works again", func() bool { return commit(src, claim, 0) == nil })
}

func TestACommitFindsACoordinatorThatMoved(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(1, "orders"))
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	before := c.CoordinatorFor("g")
	for c.CoordinatorFor("g") == before {
		c.RehashCoordinators()
	}
	// The group may be joined anew meanwhile, which ends the claim.
	eventually(t, "a commit reaches the new coordinator", func() bool {
		for len(e.claims) > 0 {
			claim = <-e.claims
		}
		return commit(src, claim, 0) == nil
	})
}

// A cooperative member's generation goes on while it joins, but a member that the
// group has dropped stays dropped.
func TestACommitThatCrossesARebalanceIsFencedOnlyIfTheMemberIsGone(t *testing.T) {
	t.Parallel()
	for answer, gone := range map[*kerr.Error]bool{
		kerr.IllegalGeneration: false, kerr.RebalanceInProgress: false,
		kerr.UnknownMemberID: true, kerr.FencedInstanceID: true, kerr.GroupIDNotFound: true,
	} {
		t.Run(answer.Message, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, kfake.SeedTopics(2, "orders"))
			e := newEngine()
			src := newSource(t, c.ListenAddrs(), "orders")
			run(t, src, e)
			claim := next(t, e.claims, "a claim")
			next(t, e.claims, "a claim")
			member := c.GroupInfo("g").Members[0].MemberID
			joining, release := make(chan struct{}), make(chan struct{})
			c.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
				if r.(*kmsg.JoinGroupRequest).MemberID == member {
					c.DropControl()
					close(joining)
					c.SleepControl(func() { <-release })
				}
				return nil, nil, false
			})
			run(t, newSource(t, c.ListenAddrs(), "orders"), newEngine())
			next(t, joining, "the member to rejoin")
			c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: answer})
			err := commit(src, claim, 0)
			close(release)
			if err == nil || errors.Is(err, source.ErrFenced) != gone {
				t.Errorf("verdict %v, want fenced: %v", err, gone)
			}
		})
	}
}

// The tenure ends while its commit looks for the coordinator. The request would carry
// the generation of the next tenure, whose commits may be further.
func TestACommitThatIsHeldUpPastItsTenureStoresNothing(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	fill(t, c.ListenAddrs(), "orders", 0, 0, 10)
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	if err := commit(src, claim, 5); err != nil {
		t.Fatal(err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.NotCoordinator})
	if err := commit(src, claim, 5); err == nil {
		t.Fatal("the coordinator was there")
	}
	looking, release := make(chan struct{}), make(chan struct{})
	c.ControlKey(int16(kmsg.FindCoordinator), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		select {
		case <-looking: // the next session's
		default:
			close(looking)
			c.SleepControl(func() { <-release })
		}
		return nil, nil, false
	})
	verdict := make(chan error, 1)
	go func() { verdict <- commit(src, claim, 3) }()
	next(t, looking, "the look for the coordinator")
	e.leave <- struct{}{}
	next(t, e.ended, "the end of the tenure")
	again := next(t, e.claims, "the next tenure")
	close(release)
	if err := next(t, verdict, "the verdict"); !errors.Is(err, source.ErrFenced) {
		t.Errorf("verdict %v, want ErrFenced", err)
	}
	if at := committed(c, "orders", 0); at != 5 {
		t.Errorf("the committed offset went from 5 to %d", at)
	}
	if err := commit(src, again, 6); err != nil {
		t.Errorf("the next tenure's commit: %v", err)
	}
}

func TestASourceStopsWhileTheCommitOfAStartIsNotAnswered(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	var once sync.Once
	arrived := make(chan struct{})
	c.ControlKey(int16(kmsg.OffsetCommit), func(kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		once.Do(func() { close(arrived) })
		return nil, nil, true // never answered
	})
	stop := run(t, newSource(t, c.ListenAddrs(), "orders"), newEngine())
	next(t, arrived, "the commit of the start")
	if err := stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
}

// The id of the topic is worth having, and not worth a commit.
func TestABrokerThatTakesNoMetadataIsGivenNone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, kfake.SeedTopics(1, "orders"))
	full := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge, Count: -1, When: func(r kmsg.Request) bool {
		metadata := r.(*kmsg.OffsetCommitRequest).Topics[0].Partitions[0].Metadata
		return metadata != nil && *metadata != ""
	}})
	e := newEngine()
	src := newSource(t, c.ListenAddrs(), "orders")
	run(t, src, e)
	claim := next(t, e.claims, "the claim")
	if full.Hits() != 1 {
		t.Errorf("%d commits with metadata, want the first alone", full.Hits())
	}
	if err := commit(src, claim, 0); err != nil {
		t.Errorf("the next commit: %v", err)
	}
	c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.OffsetMetadataTooLarge, Count: -1})
	if err := commit(src, claim, 0); !errors.Is(err, source.ErrDenied) {
		t.Errorf("refused without any metadata: %v", err)
	}
}
