package judge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vlab-research/burrow/chaos/internal/judge"
	"github.com/vlab-research/burrow/chaos/internal/ledger"
)

// story feeds a judge, one tick of the clock a line.
type story struct {
	*judge.Judge
	now int64
}

func tell(ordering string) *story {
	return &story{Judge: judge.New(judge.Rules{Ordering: ordering, Window: 10, Session: 3 * time.Second})}
}

// tellHoles is of a log that has offsets without a message.
func tellHoles() *story {
	return &story{Judge: judge.New(judge.Rules{Ordering: "by-key", Window: 10, Holes: true})}
}

// line is a line of the only partition; a process has the tenure of its own number.
func (s *story) line(process int, kind ledger.Kind, offset int64, key int32) *story {
	s.now++
	s.Line(process, ledger.Line{Kind: kind, At: s.now, Tenure: int32(process), Offset: offset, Attempt: 1, Key: key})
	return s
}

func (s *story) began(process int, at int64) *story { return s.line(process, ledger.Began, at, 0) }
func (s *story) starts(process int, offset int64, key int32) *story {
	return s.line(process, ledger.Received, offset, key).line(process, ledger.Started, offset, key)
}

func (s *story) does(process int, offset int64, key int32) *story {
	return s.starts(process, offset, key).line(process, ledger.Finished, offset, key)
}

func (s *story) commits(process int, next int64) *story {
	return s.line(process, ledger.Asked, next, 0).line(process, ledger.Acked, next, 0)
}

// good is a story in which all is well: two messages of a key around one of another.
func good() *story { return overtakingIn(tell("by-key"), 7) }

func overtakingIn(s *story, third int32) *story {
	return s.began(1, 0).
		starts(1, 0, 7).starts(1, 1, 8).line(1, ledger.Received, 2, third).
		line(1, ledger.Finished, 1, 8).line(1, ledger.Finished, 0, 7).
		line(1, ledger.Started, 2, third).line(1, ledger.Finished, 2, third).commits(1, 3)
}

func (s *story) closed(end int64) *story {
	s.Broker(s.now, 0, end)
	return s.over(full(0, end))
}

func (s *story) over(log judge.Log) *story {
	s.Close(map[int32]judge.Log{0: log})
	return s
}

// full is a log in which every offset has a message.
func full(start, end int64) judge.Log {
	log := judge.Log{Start: start, End: end, Committed: make(map[int64]bool), Aborted: make(map[int64]bool)}
	for ; start < end; start++ {
		log.Committed[start] = true
	}
	return log
}

func aborted(log judge.Log, offset int64) judge.Log {
	delete(log.Committed, offset)
	log.Aborted[offset] = true
	return log
}

func (s *story) skips(process int, to int64, count int32) *story {
	s.now++
	s.Line(process, ledger.Line{Kind: ledger.Skipped, At: s.now, Offset: to, Attempt: count})
	return s
}

// deleted is the good story, in which the log then loses its front up to start, and
// what the library says leads up to reported.
func deleted(reported, start int64) *story {
	s := good()
	s.Deleted(0, start)
	s.skips(2, reported, int32(reported-3)).began(2, reported).does(2, reported, 7).commits(2, reported+1)
	s.Broker(s.now, 0, reported+1)
	return s
}

func TestAGoodStoryBreaksNothing(t *testing.T) {
	t.Parallel()
	s := good()
	s.Disturb("kill -9", 1, s.now)
	s.Gone(1)
	s.began(2, 3).does(2, 3, 7).commits(2, 4).closed(4)
	if b := s.Broken(); len(b) != 0 {
		t.Errorf("broken: %q", b)
	}
}

func TestWhatNobodyHadToProcessIsNoLoss(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		story func() *story
		want  judge.Figures
	}{
		"aborted messages, and a marker at the end": {func() *story {
			s := overtakingIn(tellHoles(), 7).line(1, ledger.Asked, 3, 0) // offset 3 is aborted, 4 its marker
			s.Broker(s.now, 0, 3)
			log := aborted(full(0, 4), 3)
			log.End = 5
			return s.over(log)
		}, judge.Figures{Produced: 3, Aborted: 1, Holes: 1, BehindMarkers: 1}},
		"compacted holes": {func() *story {
			s := overtakingIn(tellHoles(), 7).does(1, 5, 7).commits(1, 6)
			s.Broker(s.now, 0, 6)
			log := full(0, 6)
			delete(log.Committed, 3)
			delete(log.Committed, 4)
			return s.over(log)
		}, judge.Figures{Produced: 4, Holes: 2, Passed: 2}},
		"compaction between two that repeat": {func() *story {
			s := overtakingIn(tellHoles(), 7)
			for offset := range int64(8) { // of which 3 to 6 are compacted away before 2 comes
				s.does(1, 3+offset, 7)
			}
			s.began(2, 3)
			for offset := range int64(8) {
				s.does(2, 7+offset, 7)
			}
			s.began(3, 3).does(3, 14, 7).commits(3, 15)
			s.Broker(s.now, 0, 15)
			return s.over(full(0, 15))
		}, judge.Figures{Produced: 15, Passed: 4 + 11}},
		"messages deleted before the group had a commit": {func() *story {
			s := tell("by-key")
			s.Deleted(0, 5)
			s.began(1, 5).starts(1, 5, 7).starts(1, 6, 8).line(1, ledger.Received, 7, 7).line(1, ledger.Finished, 6, 8).line(1, ledger.Finished, 5, 7).
				line(1, ledger.Started, 7, 7).line(1, ledger.Finished, 7, 7).commits(1, 8)
			s.Broker(s.now, 0, 8)
			return s.over(full(5, 8))
		}, judge.Figures{Produced: 3}},
		"messages deleted and reported": {func() *story {
			return deleted(5, 5).over(full(5, 6))
		}, judge.Figures{Produced: 6, Deleted: 2, Reported: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.story()
			if b := s.Broken(); len(b) != 0 {
				t.Errorf("broken: %q", b)
			}
			f := s.Figures
			got := judge.Figures{
				Produced: f.Produced, Aborted: f.Aborted, Holes: f.Holes, BehindMarkers: f.BehindMarkers,
				Passed: f.Passed, Deleted: f.Deleted, Reported: f.Reported,
			}
			if got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestAStarvedProcessIsAFaultAndAStoppedOneIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stall   time.Duration
		stopped bool
		stalls  int
		broken  bool
	}{
		"starved for long":   {2 * time.Second, false, 1, false},
		"starved for a bit":  {time.Second, false, 1, true},
		"stopped on purpose": {2 * time.Second, true, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := good().does(1, 3, 7)
			s.Calm(true)
			if c.stopped {
				s.Stopped(1, s.now)
			}
			s.now += int64(c.stall)
			s.line(1, ledger.Stalled, int64(c.stall), 0).began(2, 3).does(2, 3, 7)
			if s.Figures.Stalls != c.stalls {
				t.Errorf("%d stalls, want %d", s.Figures.Stalls, c.stalls)
			}
			if broken := len(s.Broken()) > 0; broken != c.broken {
				t.Errorf("broken: %q", s.Broken())
			}
		})
	}
}

// joins has a process learn its partitions of a generation.
func (s *story) joins(process int, generation int32) *story {
	s.now++
	s.Line(process, ledger.Line{Kind: ledger.Joined, At: s.now, Attempt: generation})
	return s
}

func (s *story) stops(process int) *story {
	s.now++
	s.Stopped(process, s.now)
	return s
}

// A member that was stopped between its assignment and the start of its tenure
// begins with a start that is long past. Only its commits tell whether it is fenced.
func TestAStaleStartIsNoOwner(t *testing.T) {
	t.Parallel()
	own := func(s *story) *story { return s.began(2, 3).does(2, 3, 7).does(2, 4, 8).commits(2, 5) }
	stale := func(s *story) *story { return s.began(3, 3) }
	for name, c := range map[string]struct {
		story   func(*story) *story
		promise string
		stale   int
	}{
		"of an earlier generation":       {func(s *story) *story { return stale(own(s.joins(3, 2).joins(2, 3))) }, "", 1},
		"which it learns of late":        {func(s *story) *story { return stale(own(s.joins(2, 3)).joins(3, 2)) }, "", 1},
		"though the owner has ended":     {func(s *story) *story { return stale(own(s.joins(3, 2).joins(2, 3)).line(2, ledger.Ended, 0, 0)) }, "", 1},
		"before another took its name":   {func(s *story) *story { return stale(own(s.joins(3, 2).joins(2, 2))) }, "", 1},
		"stopped while it took the name": {func(s *story) *story { return stale(own(s.stops(3).joins(2, 2)).joins(3, 2)) }, "", 1},
		"and its commit is not fenced":   {func(s *story) *story { return stale(own(s.joins(3, 2).joins(2, 3))).does(3, 3, 7).commits(3, 4) }, "fenced", 1},
		"of a later generation":          {func(s *story) *story { return stale(own(s.joins(2, 2)).joins(3, 3)) }, "committed", 0},
		"it took the other's name":       {func(s *story) *story { return stale(own(s.joins(2, 2)).joins(3, 2)) }, "committed", 0},
		"it takes its name back": {func(s *story) *story {
			return stale(own(s.stops(3).joins(2, 2)).joins(3, 2)).line(2, ledger.Fenced, 6, 0).does(3, 3, 7).does(3, 4, 8).commits(3, 5)
		}, "", 1},
		"it takes its name back, and the other commits": {func(s *story) *story {
			return stale(own(s.stops(3).joins(2, 2)).joins(3, 2)).does(3, 3, 7).commits(3, 4).does(2, 5, 7).commits(2, 6)
		}, "fenced", 1},
		"a commit of who took the name": {func(s *story) *story { return own(s.joins(2, 2)).joins(3, 2).began(3, 5).commits(2, 5) }, "fenced", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.story(overtakingIn(tell("by-key").joins(1, 1), 7))
			broken := s.Broken()
			if c.promise == "" && len(broken) > 0 || c.promise != "" && (len(broken) == 0 || !strings.HasPrefix(broken[0], c.promise+":")) {
				t.Errorf("broken %q, want %q", broken, c.promise)
			}
			if s.Figures.Stale != c.stale {
				t.Errorf("%d stale, want %d", s.Figures.Stale, c.stale)
			}
		})
	}
}

// A member that goes on after a stop may be given the partition again at once, and
// commits while the lines of the one before are still fresh.
func TestAThawedMemberOwnsWhatItIsGivenAgain(t *testing.T) {
	t.Parallel()
	s := overtakingIn(tell("by-key").joins(1, 1), 7).stops(3).joins(2, 2)
	s = s.began(2, 3).does(2, 3, 7).commits(2, 4).joins(3, 3).began(3, 4).line(2, ledger.Ended, 0, 0).does(3, 4, 7).commits(3, 5)
	if len(s.Broken()) > 0 || s.Figures.Stale > 0 {
		t.Errorf("broken %q, %d stale", s.Broken(), s.Figures.Stale)
	}
}

// A broker that was the coordinator answers as one for a moment longer.
func TestAnOlderAnswerIsNoLossUnlessItStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answers []int64 // one every six seconds
		old     int
		broken  int
	}{
		"it is known again":     {[]int64{3, 2, 2, 3}, 1, 0},
		"it goes on from there": {[]int64{3, 2, 2, 4, 3, 4}, 2, 0},
		"it stays":              {[]int64{3, 2, 2, 2}, 1, 1},
		"it stays, and goes on": {[]int64{4, 2, 2, 3, 3, 3}, 1, 1},
	} {
		s := good()
		for _, answer := range c.answers {
			s.now += int64(6 * time.Second)
			s.Broker(s.now, 0, answer)
		}
		if s.Figures.OldAnswers != c.old || s.Figures.Broken != c.broken {
			t.Errorf("%s: %d older answers, broken %q", name, s.Figures.OldAnswers, s.Broken())
		}
	}
}

func TestACalmTimeExcusesOnlyBrokersThatWereSlowJustBefore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		later  time.Duration
		broken bool
	}{"just before": {time.Second, false}, "long before": {10 * time.Second, true}} {
		s := good().does(1, 3, 7)
		s.Calm(true)
		s.Slow(s.now)
		s.now += int64(c.later)
		s.began(2, 3).does(2, 3, 7)
		if broken := len(s.Broken()) > 0; broken != c.broken || s.Figures.Excused != 1 && !broken {
			t.Errorf("%s: broken %q, %d excused", name, s.Broken(), s.Figures.Excused)
		}
	}
}

func TestAFencedZombieAndAnOutlivedTenureAreCounted(t *testing.T) {
	t.Parallel()
	s := good().line(1, ledger.Fenced, 3, 0).starts(1, 3, 7)
	if s.Figures.Zombies != 0 {
		t.Error("the owner counts as a zombie")
	}
	s.began(2, 3).line(1, ledger.Fenced, 3, 0).line(1, ledger.Ended, 0, 0)
	if s.Figures.Zombies != 1 || s.Figures.Outlived != 1 || s.Figures.Fenced != 2 {
		t.Errorf("%+v", s.Figures)
	}
}

func TestEachBrokenPromiseIsFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		promise string
		story   func() *story
	}{
		"a message is never finished": {"no loss", func() *story { return good().closed(4) }},
		"a commit passes one that runs": {"no loss", func() *story {
			return good().starts(1, 3, 7).line(1, ledger.Asked, 4, 0)
		}},
		"a commit passes one that was only received": {"no loss", func() *story {
			return good().line(1, ledger.Received, 3, 7).line(1, ledger.Asked, 4, 0)
		}},
		"a commit passes a gap": {"no loss", func() *story {
			return good().starts(1, 3, 7).does(1, 4, 8).line(1, ledger.Asked, 5, 0)
		}},
		"a commit passes what was received":      {"no loss", func() *story { return good().line(1, ledger.Asked, 4, 0) }},
		"a source leaves one out":                {"no loss", func() *story { return good().does(1, 4, 8) }},
		"a start that nobody committed":          {"no loss", func() *story { return good().began(2, 4) }},
		"a start before the acknowledged commit": {"committed", func() *story { return good().began(2, 2) }},
		"a member commits less than it did":      {"monotonic", func() *story { return good().line(1, ledger.Asked, 2, 0) }},
		"the broker's commit goes back": {"monotonic", func() *story {
			s := good()
			s.Broker(1, 0, 3)
			s.Broker(2, 0, 2)
			s.Broker(3+int64(judge.MaxBehind), 0, 2)
			return s
		}},
		"the broker's commit goes back at the end": {"drained", func() *story {
			s := good()
			s.Broker(s.now, 0, 3)
			s.Broker(s.now, 0, 2)
			return s.over(full(0, 3))
		}},
		"a zombie commits":                    {"fenced", func() *story { return good().began(2, 3).does(1, 3, 7).commits(1, 4) }},
		"a message is done twice in a tenure": {"once", func() *story { return good().line(1, ledger.Started, 1, 8) }},
		"a message is done twice before a commit": {"once", func() *story {
			return good().starts(1, 3, 7).does(1, 4, 8).line(1, ledger.Started, 4, 8)
		}},
		"a message comes twice in a tenure": {"once", func() *story { return good().line(1, ledger.Received, 2, 7) }},
		"a handler of what never came":      {"ledger", func() *story { return good().line(1, ledger.Started, 3, 7) }},
		"a tenure that never began":         {"ledger", func() *story { return good().line(3, ledger.Started, 3, 7) }},
		"more in flight than the window": {"window", func() *story {
			s := good()
			for offset := range int64(11) {
				s.starts(1, 3+offset, int32(100+offset))
			}
			return s
		}},
		"a key runs twice at once": {"order", func() *story { return good().starts(1, 3, 7).starts(1, 4, 7) }},
		"a key runs backwards": {"order", func() *story {
			return good().line(1, ledger.Received, 3, 9).does(1, 4, 9).line(1, ledger.Started, 3, 9)
		}},
		"a key goes on behind a failed message": {"order", func() *story { return good().starts(1, 3, 7).line(1, ledger.Failed, 3, 7).does(1, 4, 7) }},
		"more is repeated than a window": {"bounded repeats", func() *story {
			s := tell("by-key").began(1, 0)
			for offset := range int64(8) {
				s.does(1, offset, 1).commits(1, offset+1)
			}
			for offset := range int64(8) {
				s.does(1, 8+offset, 1)
			}
			s.line(1, ledger.Asked, 16, 0) // applied, and its answer lost
			s.began(2, 16)
			for offset := range int64(4) {
				s.does(2, 16+offset, 1)
			}
			return s.began(3, 8)
		}},
		"a repeat in a calm time": {"nothing repeats", func() *story { s := good().does(1, 3, 7); s.Calm(true); return s.began(2, 3).does(2, 3, 7) }},
		"two members run a key in a calm time": {"order", func() *story {
			s := good().starts(1, 3, 7)
			s.Calm(true)
			return s.began(2, 3).line(2, ledger.Received, 3, 8).does(2, 4, 7)
		}},
		"a partition runs two at once": {"order", func() *story {
			return tell("by-partition").began(1, 0).starts(1, 0, 1).starts(1, 1, 2)
		}},
		"nothing is finished for half a minute": {"progress", func() *story { s := good(); s.Tick(s.now+int64(judge.MaxStall+time.Second), false); return s }},
		"not everything is committed":           {"drained", func() *story { s := good(); s.Broker(s.now, 0, 2); return s.over(full(0, 3)) }},
		"more is committed than there is":       {"drained", func() *story { s := good(); s.Broker(s.now, 0, 4); return s.over(full(0, 3)) }},
		"an aborted message is delivered":       {"aborted", func() *story { return good().over(aborted(full(0, 3), 1)) }},
		"a message is lost among aborted ones": {"no loss", func() *story {
			s := tellHoles().began(1, 0).does(1, 2, 7).commits(1, 3)
			s.Broker(s.now, 0, 3)
			return s.over(aborted(full(0, 3), 1))
		}},
		"messages are deleted without a word": {"no loss", func() *story {
			return deleted(5, 5).over(full(7, 7))
		}},
		"more is reported than the group had left": {"deleted", func() *story { return good().skips(2, 6, 4) }},
		"less is reported than the group had left": {"deleted", func() *story { return good().skips(2, 6, 2) }},
		"what is still there is reported as skipped": {"deleted", func() *story {
			s := good().does(1, 3, 7).does(1, 4, 8).skips(2, 5, 2)
			s.Deleted(0, 5)
			s.Broker(s.now, 0, 5)
			return s.over(full(4, 5))
		}},
		"a report of a start that the log never had":           {"deleted", func() *story { return deleted(5, 6).over(full(6, 6)) }},
		"a first start where the log never started":            {"no loss", func() *story { return tell("by-key").began(1, 5) }},
		"a second start where the log started, without a word": {"no loss", func() *story { s := good(); s.Deleted(0, 5); return s.began(2, 5) }},
		"a start in front of what was not reported":            {"no loss", func() *story { return good().skips(2, 5, 2).began(2, 6) }},
		"no key was seen twice":                                {"vacuous", func() *story { return tell("by-key").began(1, 0).does(1, 0, 1).commits(1, 1).closed(1) }},
		"no message came while its key was busy": {"vacuous", func() *story {
			return tell("by-key").began(1, 0).starts(1, 0, 7).does(1, 1, 8).line(1, ledger.Finished, 0, 7).does(1, 2, 7).commits(1, 3).closed(3)
		}},
		"nothing ran beside another": {"vacuous", func() *story { return tell("unordered").began(1, 0).does(1, 0, 1).commits(1, 1).closed(1) }},
		"nothing happened":           {"vacuous", func() *story { return tell("by-key").closed(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := c.story().Broken()
			if len(broken) == 0 || !strings.HasPrefix(broken[0], c.promise+":") {
				t.Errorf("broken %q, want %q first", broken, c.promise)
			}
		})
	}
}

func TestRepeatsAreCountedForTheFaultThatCausedThem(t *testing.T) {
	t.Parallel()
	s := good().does(1, 3, 7).does(1, 4, 8)
	s.Disturb("latency", judge.Everyone, s.now)
	s.Disturb("kill -9", 1, s.now)
	s.Disturb("join", judge.Everyone, s.now)
	s.began(2, 3).does(2, 3, 7).does(2, 4, 8)
	for _, f := range s.Faults() {
		want := int64(0)
		if f.Kind == "kill -9" {
			want = 2
		}
		if f.Repeats != want || f.Risk != want {
			t.Errorf("%s: %d repeats of %d, want %d", f.Kind, f.Repeats, f.Risk, want)
		}
	}
}
