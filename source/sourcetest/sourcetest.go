// Package sourcetest holds what every source must do: the sentences of package
// source as tests. A source's own tests call [Exercise] with a way to get a broker:
//
//	func TestSource(t *testing.T) {
//		sourcetest.Exercise(t, func(t *testing.T) sourcetest.Cluster { return newCluster(t) })
//	}
//
// It works in real time and over a network: it waits for what must happen, up to
// [Patience], and never for a fixed time. That no goroutine is left behind is for
// goleak to say in the caller's TestMain.
package sourcetest

import (
	"testing"
	"time"

	"github.com/vlab-research/burrow/source"
	"github.com/vlab-research/burrow/stage"
)

// Patience is how long a test waits for something that must happen.
const Patience = 30 * time.Second

// Cluster is a broker with its sources, as the suite needs it. Its methods end the
// test when they fail, and are called by one goroutine at a time, except Committed.
type Cluster interface {
	// CreateTopic makes an empty topic. Sources may use it at once.
	CreateTopic(t testing.TB, name string, partitions int)
	// Produce appends messages to a partition, with key, value, headers and
	// timestamp, and returns once they are stored.
	Produce(t testing.TB, topic string, partition int32, msgs ...stage.Message)
	// Source makes a member of the group that isn't run yet. What it holds besides
	// its Run is released when t ends.
	Source(t testing.TB, group string, topics []string) source.Source
	// Committed asks the broker what the group has committed.
	Committed(t testing.TB, group, topic string, partition int32) (next int64, ok bool)
	// Abilities says what else can be done here.
	Abilities() Abilities
}

// Abilities are what only some clusters can do. Tests that need a missing one are
// skipped, and say so.
type Abilities struct {
	// Eager says that a rebalance takes every partition from everybody. Tests that
	// partitions are kept don't run.
	Eager bool
	// ProduceApart appends messages with at least one unused offset behind each, such
	// as a transaction's marker.
	ProduceApart func(t testing.TB, topic string, partition int32, msgs ...stage.Message)
	// Expel takes a member out of its group without telling it. The group has no
	// other member, or gives its partitions to one.
	Expel func(t testing.TB, group string, member source.Source)
	// Stall makes the broker keep the group's commits waiting for longer than
	// [Patience], until the test ends.
	Stall func(t testing.TB, group string)
}

// Exercise runs the suite. Each test is parallel and calls newCluster once; it
// can return a shared cluster, since names of topics and groups don't repeat.
func Exercise(t *testing.T, newCluster func(t *testing.T) Cluster) {
	t.Helper()
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			cluster := newCluster(t)
			if p.needs != nil {
				if missing := p.needs(cluster.Abilities()); missing != "" {
					t.Skipf("not run: %s", missing)
				}
			}
			p.check(t, cluster)
		})
	}
}

// promise is one test. needs returns what is missing for it, or "".
type promise struct {
	name  string
	check func(t *testing.T, cluster Cluster)
	needs func(Abilities) string
}

var promises = []promise{
	{name: "ReadsInOrderFromTheOldest", check: readsInOrderFromTheOldest},
	{name: "KeepsEveryFieldOfAMessage", check: keepsEveryFieldOfAMessage},
	{name: "KnowsTheHighWatermark", check: knowsTheHighWatermark},
	{name: "HolesAreSteppedOver", check: holesAreSteppedOver, needs: needsHoles},
	{name: "WakeEndsTheWait", check: wakeEndsTheWait},
	{name: "ReadyMessagesComeBeforeWake", check: readyMessagesComeBeforeWake},
	{name: "ReadyMessagesComeTogether", check: readyMessagesComeTogether},
	{name: "PauseStopsAndResumeGoesOn", check: pauseStopsAndResumeGoesOn},
	{name: "APausedClaimStillEnds", check: aPausedClaimStillEnds},

	{name: "TheStartIsCommitted", check: theStartIsCommitted},
	{name: "ACommitIsWhereTheNextMemberStarts", check: aCommitIsWhereTheNextMemberStarts},
	{name: "ACommitEndsWithItsContext", check: aCommitEndsWithItsContext},
	{name: "AStalledCommitEndsWithItsContext", check: aStalledCommitEndsWithItsContext, needs: needsStall},
	{name: "NothingIsCommittedAfterRun", check: nothingIsCommittedAfterRun},
	{name: "AnExpelledMemberIsFenced", check: anExpelledMemberIsFenced, needs: needsExpel},

	{name: "EachPartitionIsServedAtOnce", check: eachPartitionIsServedAtOnce},
	{name: "TheEndOfTheContextEndsTheClaims", check: theEndOfTheContextEndsTheClaims},
	{name: "RunOutlivesEveryServe", check: runOutlivesEveryServe},
	{name: "RunWithAnEndedContextReturns", check: runWithAnEndedContextReturns},
	{name: "AnUnknownTopicIsAnError", check: anUnknownTopicIsAnError},
	{name: "HealthFollowsMembership", check: healthFollowsMembership},

	{name: "AMemberWithoutPartitionsIsTold", check: aMemberWithoutPartitionsIsTold},
	{name: "ARevokedClaimDrainsBeforeItsNextOwnerReads", check: aRevokedClaimDrains},
	{name: "KeptClaimsAreUndisturbed", check: keptClaimsAreUndisturbed, needs: needsCooperation},
	{name: "AReturningPartitionIsAnotherClaim", check: aReturningPartitionIsAnotherClaim},
}

func needsHoles(a Abilities) string {
	if a.ProduceApart == nil {
		return "the cluster can't leave holes (Abilities.ProduceApart)"
	}
	return ""
}

func needsStall(a Abilities) string {
	if a.Stall == nil {
		return "the cluster can't stall commits (Abilities.Stall)"
	}
	return ""
}

func needsExpel(a Abilities) string {
	if a.Expel == nil {
		return "the cluster can't expel members (Abilities.Expel)"
	}
	return ""
}

func needsCooperation(a Abilities) string {
	if a.Eager {
		return "the sources rebalance eagerly (Abilities.Eager)"
	}
	return ""
}
