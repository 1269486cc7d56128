package pipeline

// lanes finds the last task of each lane, behind which the next of it waits. It is a hash
// table that links the tasks themselves: they are at hand when they are put in and
// taken out, where a map would have to touch memory of its own. It grows with the claim's
// window and doesn't shrink. Its zero value is empty.
type lanes struct {
	buckets []*task // a power of two of them, each linked by crowd
	n       int
}

const firstBuckets = 64

// lanes are hashes already.
func (l *lanes) bucket(lane uint64) **task { return &l.buckets[lane&uint64(len(l.buckets)-1)] }

// last returns the last task of a lane, nil if it is free.
func (l *lanes) last(lane uint64) *task {
	if l.n == 0 {
		return nil
	}
	t := *l.bucket(lane)
	for t != nil && t.lane != lane {
		t = t.crowd
	}
	return t
}

// push makes the task the last of its lane and returns the one that was, nil if the lane was free.
func (l *lanes) push(t *task) (before *task) {
	if 2*l.n >= len(l.buckets) { // else the walk past other lanes costs more than the table
		l.grow()
	}
	at := l.bucket(t.lane)
	for *at != nil && (*at).lane != t.lane {
		at = &(*at).crowd
	}
	before = *at
	if before != nil {
		t.crowd, before.crowd = before.crowd, nil
	} else {
		l.n++
	}
	*at = t
	return before
}

// free makes a lane free, if this is its last task.
func (l *lanes) free(t *task) {
	for at := l.bucket(t.lane); *at != nil; at = &(*at).crowd {
		if *at == t {
			*at, t.crowd = t.crowd, nil
			l.n--
			return
		}
	}
}

func (l *lanes) grow() {
	old := l.buckets
	l.buckets = make([]*task, max(2*len(old), firstBuckets))
	for _, t := range old {
		for t != nil {
			next, at := t.crowd, l.bucket(t.lane)
			t.crowd, *at = *at, t
			t = next
		}
	}
}
