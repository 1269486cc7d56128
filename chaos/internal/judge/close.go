package judge

// Log is what a partition's log holds at the end, as an independent reader found it.
type Log struct {
	Start, End int64
	// Committed are the offsets of messages that a consumer has to see, Aborted
	// those of transactions that were aborted. Offsets in neither have no message.
	Committed, Aborted map[int64]bool
}

// Resting is what a group that has done everything has committed at least: it knows
// nothing of what stands behind the last message.
func (l Log) Resting() int64 {
	offset := l.End
	for offset > l.Start && !l.Committed[offset-1] {
		offset--
	}
	return offset
}

// Close judges the end, when all was to be done.
func (j *Judge) Close(logs map[int32]Log) {
	for number, log := range logs {
		p := j.partition(number)
		lost := 0
		for offset := range log.End {
			if !j.accounted(p, log, offset) {
				if lost++; lost <= 3 {
					j.breaks("no loss", "partition %d: %d of %d was never finished", number, offset, log.End)
				}
			}
			if log.Aborted[offset] && p.wasGot(offset) {
				j.breaks("aborted", "partition %d: %d was delivered, but its transaction was aborted", number, offset)
			}
		}
		j.Figures.Lost += lost
		j.closeCommit(number, p, log)
		j.closeSkipped(number, p, log)
	}
	j.vacuous()
}

// accounted reports whether a message was finished, or there was none to finish.
func (j *Judge) accounted(p *partition, log Log, offset int64) bool {
	f := &j.Figures
	switch {
	case offset < p.base:
	case p.isDone(offset):
		f.Produced++
	case offset < log.Start && p.wasReported(offset):
		f.Produced++
		f.Deleted++
	case offset < log.Start:
		return false
	case log.Aborted[offset]:
		f.Aborted++
	case log.Committed[offset] || !j.rules.Holes:
		f.Produced++
		return false
	default:
		f.Holes++
	}
	return true
}

func (j *Judge) closeCommit(number int32, p *partition, log Log) {
	if rest := log.Resting(); p.shown < rest || p.shown > log.End {
		j.breaks("drained", "partition %d: the group has committed %d, its last message ends at %d, the log at %d", number, p.shown, rest, log.End)
	} else if rest < log.End {
		j.Figures.BehindMarkers++
	}
}

// closeSkipped looks whether what was said to be lost is lost, all of it and no more.
func (j *Judge) closeSkipped(number int32, p *partition, log Log) {
	for _, s := range p.skipped {
		if s.to > log.Start || s.from >= s.to {
			j.breaks("deleted", "partition %d: the library says that it skips from %d to %d, the log starts at %d", number, s.from, s.to, log.Start)
		} else if !j.deletions[deletion{number, s.to}] {
			j.breaks("deleted", "partition %d: the library says that it skips to %d, where the log never started", number, s.to)
		}
	}
}

// deletion is where a partition's log started once.
type deletion struct {
	partition int32
	start     int64
}

// Deleted says that the log of a partition was deleted up to start.
func (j *Judge) Deleted(partition int32, start int64) { j.deletions[deletion{partition, start}] = true }

// vacuous breaks when the run never came to what it was to judge.
func (j *Judge) vacuous() {
	f := &j.Figures
	switch {
	case f.Produced == 0 || f.Commits == 0:
		j.breaks("vacuous", "nothing was done")
	case j.rules.Ordering != "unordered" && f.Pairs == 0:
		j.breaks("vacuous", "no two messages of one key were seen in a tenure")
	case j.rules.Ordering != "unordered" && f.Chances == 0:
		j.breaks("vacuous", "no message came while one of its key was not finished")
	case j.rules.Ordering != "by-partition" && (f.Concurrent == 0 || f.Gaps == 0):
		j.breaks("vacuous", "no messages of a partition ran at once and overtook each other")
	}
}
