package load

import (
	"sync/atomic"
	"time"
)

// Lanes says what may not overlap in an ideal run.
type Lanes string

// The lanes.
const (
	NoLanes        Lanes = ""          // a message waits for a free worker only
	KeyLanes       Lanes = "key"       // the messages of a key come one after the other
	PartitionLanes Lanes = "partition" // those of a partition do
	HeaviestKey    Lanes = "heaviest"  // only the most frequent key's messages, one after the other
)

// Ideal does the work of a topic's messages in plain goroutines, without Kafka, and
// returns the figures: what n workers could do if consuming cost nothing.
func Ideal(t Topic, w Work, workers int, lanes Lanes, sleep func(time.Duration)) Figures {
	places := t.Places()
	if lanes == NoLanes || (lanes == KeyLanes && t.Keys == 0) {
		return idealFree(NewMeter(w, t.Totals(), sleep), workers, places)
	}
	groups := split(t, places, lanes)
	if lanes == HeaviestKey {
		groups = heaviest(groups)
	}
	totals := make([]int64, t.Partitions)
	for _, group := range groups {
		for _, p := range group {
			totals[p.Partition]++
		}
	}
	m := NewMeter(w, totals, sleep)
	permits := make(chan struct{}, workers)
	inParallel(len(groups), func(i int) {
		for _, p := range groups[i] {
			permits <- struct{}{}
			m.Do(p)
			<-permits
		}
	})
	f := m.Figures()
	f.Handled = int64(t.Messages) // no run of all of them can end sooner
	return f
}

func idealFree(m *Meter, workers int, places []Place) Figures {
	var next atomic.Int64
	inParallel(workers, func(int) {
		for {
			i := next.Add(1) - 1
			if i >= int64(len(places)) {
				return
			}
			m.Do(places[i])
		}
	})
	return m.Figures()
}

func split(t Topic, places []Place, lanes Lanes) [][]Place {
	groups := make([][]Place, max(t.Keys, t.Partitions))
	for i, id := range t.KeyIDs() {
		lane := id
		if lanes == PartitionLanes {
			lane = places[i].Partition
		}
		groups[lane] = append(groups[lane], places[i])
	}
	return groups
}

func heaviest(groups [][]Place) [][]Place {
	most := groups[0]
	for _, group := range groups {
		if len(group) > len(most) {
			most = group
		}
	}
	return [][]Place{most}
}
