package deterministic

// patch replaces text in one file of Go's source. Every text must be there exactly once.
type patch struct {
	file     string // below GOROOT/src
	replaces []replace
	appends  string
}

type replace struct{ old, with string }

// patches say where Go lets chance or the clock decide what a goroutine of a synctest bubble
// sees, and let the bubble's seed decide instead. Outside of bubbles nothing changes, but
// that goroutines don't get in front of those of a bubble.
var patches = []patch{
	{
		file: "runtime/synctest.go",
		replaces: []replace{
			{"\tid      uint64 // unique id\n", "\tid      uint64 // unique id\n\tdraws   bubbleDraws\n"},
			{"\tbubble.now = synctestBaseTime\n", "\tbubble.now = synctestBaseTime\n\tbubble.draws.init(bubbleSeed)\n"},
		},
		appends: bubbleSource,
	},
	{
		// Seeds of maps, where an iteration over one begins, seeds of hashes: one number for a
		// bubble, and no stream, in which what is initialised only once would shift the rest.
		file: "runtime/rand.go",
		replaces: []replace{
			{"\tmp := getg().m\n\tc := &mp.chacha8\n", `	mp := getg().m
	if gp := mp.curg; gp != nil && gp.bubble != nil {
		return gp.bubble.draws.hash
	}
	c := &mp.chacha8
`},
		},
	},
	{
		file: "runtime/alg.go",
		replaces: []replace{
			{"\t\thashkey[i] = uintptr(bootstrapRand())\n", "\t\thashkey[i] = uintptr(bubbleMix(uint64(i)))\n"},
			{"\t\tkey[i] = bootstrapRand()\n", "\t\tkey[i] = bubbleMix(uint64(i))\n"},
		},
	},
	{
		// A select queues at its channels in the order of their addresses. That only keeps two
		// processors from waiting for each other.
		file: "runtime/select.go",
		replaces: []replace{
			{"j := cheaprandn(uint32(norder + 1))", "j := bubbleDrawn(gp.bubble, uint32(norder+1))"},
			{"\treturn uintptr(unsafe.Pointer(c))\n", "\tif c.bubble != nil {\n\t\treturn c.born\n\t}\n\treturn uintptr(unsafe.Pointer(c))\n"},
		},
	},
	{
		file: "runtime/chan.go",
		replaces: []replace{
			{"\tbubble   *synctestBubble\n", "\tbubble   *synctestBubble\n\tborn     uintptr // the how manieth of the bubble\n"},
			{"\t\tc.bubble = b\n", "\t\tc.bubble = b\n\t\tb.draws.channels++\n\t\tc.born = b.draws.channels\n"},
		},
	},
	{
		file:     "runtime/time.go",
		replaces: []replace{{"\t\t\tt.rand = cheaprand()\n", "\t\t\tt.rand = getg().bubble.draws.next32()\n"}},
	},
	{
		file: "runtime/proc.go",
		replaces: []replace{
			{"const forcePreemptNS = 10 * 1000 * 1000 // 10ms", "const forcePreemptNS = 5 * 1000 * 1000 * 1000"},
			{"\tif pp.schedtick%61 == 0 && !sched.runq.empty() {\n", "\tif false {\n"},
			{"\tif randomizeScheduler && next && randn(2) == 0 {\n", "\tif next && (gp.bubble == nil || gp.bubble.draws.kicks()) {\n"},
			{"\t\t\tj := cheaprandn(i + 1)\n\t\t\tbatch[i], batch[j]", "\t\t\tj := bubbleDrawn(gp.bubble, i+1)\n\t\t\tbatch[i], batch[j]"},
		},
	},
	{
		// By the real clock, a waiter that starves gets a mutex before others.
		file:     "internal/sync/mutex.go",
		replaces: []replace{{"starvationThresholdNs = 1e6", "starvationThresholdNs = 1 << 62"}},
	},
	{
		file: "sync/mutex.go",
		replaces: []replace{
			{"\tm.mu.Lock()\n", "\truntime_bubbleYield()\n\tm.mu.Lock()\n"},
			{"\tm.mu.Unlock()\n", "\tm.mu.Unlock()\n\truntime_bubbleYield()\n"},
		},
	},
	{
		file: "sync/runtime.go",
		appends: `
//go:linkname runtime_bubbleYield runtime.bubbleYield
func runtime_bubbleYield()
`,
	},
	// What is done once in a process draws nothing, or what follows would depend on what was before.
	{file: "sync/once.go", replaces: []replace{{"\to.m.Lock()\n\tdefer o.m.Unlock()\n", "\to.m.mu.Lock()\n\tdefer o.m.mu.Unlock()\n"}}},
	{file: "sync/pool.go", replaces: []replace{{"\tallPoolsMu.Lock()\n\tdefer allPoolsMu.Unlock()\n", "\tallPoolsMu.mu.Lock()\n\tdefer allPoolsMu.mu.Unlock()\n"}}},
	{file: "math/rand/rand.go", replaces: []replace{{"//go:linkname runtime_rand runtime.rand", "//go:linkname runtime_rand runtime.bubbleRand"}}},
	{file: "math/rand/v2/rand.go", replaces: []replace{{"//go:linkname runtime_rand runtime.rand", "//go:linkname runtime_rand runtime.bubbleRand"}}},
	{
		// A context's children are kept by their addresses.
		file: "context/context.go",
		replaces: []replace{
			{"\t\"internal/reflectlite\"\n", "\t\"internal/reflectlite\"\n\t\"slices\"\n"},
			{"\tchildren map[canceler]struct{} //", "\tborn     uint64\n\tchildren map[canceler]uint64 //"},
			{"p.children = make(map[canceler]struct{})", "p.children = make(map[canceler]uint64)"},
			{"p.children[child] = struct{}{}", "p.born++\n\t\t\tp.children[child] = p.born"},
			{"\tfor child := range c.children {\n", "\tfor _, child := range oldestFirst(c.children) {\n"},
		},
		appends: `
func oldestFirst(born map[canceler]uint64) []canceler {
	children := make([]canceler, 0, len(born))
	for child := range born {
		children = append(children, child)
	}
	slices.SortFunc(children, func(a, b canceler) int { return int(born[a]) - int(born[b]) })
	return children
}
`,
	},
}

// bubbleSource is what the runtime gets besides.
const bubbleSource = `
// bubbleSeed is what the next bubble draws from.
//
//go:linkname bubbleSeed
var bubbleSeed uint64

// bubbleDraws is where the goroutines of a bubble get what is drawn. Only one of them runs at
// a time, with GOMAXPROCS=1.
type bubbleDraws struct {
	order, values uint64 // streams: of the scheduler, and of math/rand
	hash          uint64
	channels      uintptr
	kick, yield   uint32 // of 2^32
}

func (d *bubbleDraws) init(seed uint64) {
	d.hash = bubbleMix(seed)
	d.values = bubbleMix(d.hash)
	d.order = bubbleMix(d.values)
	d.kick = [...]uint32{1 << 31, 1 << 31, 1 << 28, 0xf << 28}[d.next32()%4]
	d.yield = [...]uint32{0, 1 << 26, 1 << 29, 1 << 31}[d.next32()%4]
}

// bubbleMix is the finaliser of splitmix64.
//
//go:nosplit
func bubbleMix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

//go:nosplit
func (d *bubbleDraws) next32() uint32 {
	d.order += 0x9e3779b97f4a7c15
	return uint32(bubbleMix(d.order) >> 32)
}

// kicks tells whether what gets ready waits behind all others, and doesn't run next.
func (d *bubbleDraws) kicks() bool { return d.next32() < d.kick }

//go:nosplit
func bubbleDrawn(b *synctestBubble, n uint32) uint32 {
	if b == nil {
		return cheaprandn(n)
	}
	return uint32((uint64(b.draws.next32()) * uint64(n)) >> 32)
}

//go:linkname bubbleRand
func bubbleRand() uint64 {
	b := getg().bubble
	if b == nil {
		return rand()
	}
	b.draws.values += 0x9e3779b97f4a7c15
	return bubbleMix(b.draws.values)
}

// bubbleYield lets others run, now and then: it is called where a mutex is locked and unlocked.
//
//go:linkname bubbleYield
func bubbleYield() {
	gp := getg()
	if gp.bubble == nil || gp.bubble.draws.yield == 0 || gp.m.locks != 0 {
		return
	}
	if gp.bubble.draws.next32() < gp.bubble.draws.yield {
		goyield()
	}
}
`
