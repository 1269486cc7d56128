package pipeline

import (
	"context"
	"encoding/binary"
	"reflect"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
	"weak"

	"github.com/vlab-research/burrow/stage"
)

// fetches makes messages of new keys, which lie in buffers of many together as those
// of one fetch do: each message keeps all of its buffer.
type fetches struct {
	partition int32
	next      int64
	buffer    []byte
	made      []weak.Pointer[byte] // the buffers
}

const (
	fetchedMessages = 100
	fetchedBytes    = 64 << 10
)

func (f *fetches) message() stage.Message {
	at := f.next % fetchedMessages
	if at == 0 {
		f.buffer = make([]byte, fetchedBytes)
		f.made = append(f.made, weak.Make(&f.buffer[0]))
	}
	value := f.buffer[at*fetchedBytes/fetchedMessages:]
	key := binary.BigEndian.AppendUint64(nil, uint64(f.next))
	f.next++
	return stage.New(key, value, stage.At(stage.Position{Topic: "t", Partition: f.partition, Offset: f.next - 1}))
}

// kept tells how many buffers can still be reached; the last one isn't counted.
func (f *fetches) kept() (n int) {
	for _, buffer := range f.made[:max(len(f.made)-1, 0)] {
		if buffer.Value() != nil {
			n++
		}
	}
	return n
}

// slowNowAndThen makes the reader run messages itself, until one takes long.
func slowNowAndThen() stage.Func {
	var n atomic.Int64
	return func(_ context.Context, m stage.Message) (stage.Message, error) {
		if n.Add(1)%500 == 0 {
			time.Sleep(time.Second)
		}
		return m, nil
	}
}

func TestAMessageThatIsOverKeepsNoFetch(t *testing.T) {
	for _, ordering := range []Ordering{ByKey, Unordered, ByPartition} {
		t.Run(ordering.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src, log := newFakeSource(0), &fetches{}
				src.claims[0].messages = make(chan stage.Message)
				_, stop := start(t, src, Config{Workers: 10, Ordering: ordering}, slowNowAndThen())
				for range 10_000 {
					src.claims[0].messages <- log.message()
				}
				time.Sleep(time.Minute)
				runtime.GC()
				if kept := log.kept(); kept > 0 {
					t.Errorf("%d fetches of %d are kept", kept, len(log.made))
				}
				if err := stop(); err != nil || src.last(0) != 10_000 {
					t.Errorf("%v, committed %d", err, src.last(0))
				}
			})
		})
	}
}

// What is looked at when the work ends is in the first of them.
func TestATaskFillsTwoCacheLines(t *testing.T) {
	const line = 64
	if size, first := unsafe.Sizeof(task{}), unsafe.Offsetof(task{}.msg); size != 2*line || first > line {
		t.Errorf("%d bytes, of which the first %d are looked at when the work ends; want %d and at most %d", size, first, 2*line, line)
	}
}

func TestAReaderThatWaitsKeepsNoMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newRoomySource(1)
		_, stop := start(t, src, Config{}, ok)
		at := src.claims[0].warm("k")
		value := new([1 << 10]byte)
		kept := weak.Make(value)
		src.claims[0].messages <- stage.New([]byte("k"), value[:], stage.At(stage.Position{Topic: "t", Offset: int64(at)}))
		time.Sleep(time.Minute)
		runtime.GC()
		if kept.Value() != nil {
			t.Error("the last message is kept")
		}
		if err := stop(); err != nil || src.last(0) != int64(at+1) {
			t.Errorf("%v, committed %d", err, src.last(0))
		}
	})
}

func TestTheHeapStaysFlatOverTenTimesMoreKeys(t *testing.T) {
	const warmUp, growth = 2_000, 128 << 10
	synctest.Test(t, func(t *testing.T) {
		src, log := newFakeSource(0), &fetches{}
		src.claims[0].messages = make(chan stage.Message)
		_, stop := start(t, src, Config{Workers: 10, MaxInFlight: 100}, func(_ context.Context, m stage.Message) (stage.Message, error) {
			time.Sleep(time.Millisecond)
			return m, nil
		})
		feed := func(n int) (heap uint64) {
			for range n {
				src.claims[0].messages <- log.message()
			}
			time.Sleep(time.Minute)
			return liveHeap()
		}
		before := feed(warmUp)
		if after := feed(10 * warmUp); after > before+growth {
			t.Errorf("%d kB live after %d messages, %d kB after ten times more", before>>10, warmUp, after>>10)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// A task is most of what a message costs that waits for its key.
func TestATaskIsSmall(t *testing.T) {
	t.Parallel()
	const most = 144 // bytes, a size class of the allocator; the next one is 160
	if size := reflect.TypeFor[task]().Size(); size > most {
		t.Errorf("a task has %d bytes, at most %d are meant", size, most)
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC() // what the first one's cleanups kept
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return live[0].Value.Uint64()
}
