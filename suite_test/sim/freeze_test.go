package sim_test

import "time"

// froze notes the line of a freeze. A drain does what waits in front of what is done, frozen or
// not; and without a failure the line is of the tenure before, which has just ended. The ledger's mutex is held.
func (t *tenure) froze() {
	if t == nil || !t.hasFailed() {
		return
	}
	if t.freezes++; t.freezes > t.resumptions && t.working() {
		t.frozen = time.Now()
	}
}

// wentOn notes the line of a resumption. The ledger's mutex is held.
func (t *tenure) wentOn() {
	switch {
	case t == nil || !t.hasFailed():
	case t.untold > 0:
		t.untold--
	default:
		t.resume()
	}
}

// resume notes a resumption, whose line may come before that of the freeze that it ended.
// The ledger's mutex is held.
func (t *tenure) resume() {
	if t.resumptions++; t.resumptions > t.freezes {
		t.frozen = time.Now()
	}
	t.l.thawed(t) // if it froze after it was asked to resume
}

// resumedUntold notes that a message starts again before either line was written, while
// claims are being resumed. A worker may have had it before a freeze of this instant, if it wasn't tried again since the
// last resumption. The ledger's mutex is held.
func (t *tenure) resumedUntold(p *pass) {
	if p.times <= t.thaws && t.frozen.Equal(time.Now()) {
		return
	}
	t.l.thawed(t) // a claim that freezes while claims are being resumed may be one of them
	if p.times > t.thaws && p.state == failed {
		t.untold++
		t.resume()
	}
}
