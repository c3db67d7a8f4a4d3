package session

import (
	"fmt"
	"math"
	"testing"

	"github.com/tidewire/tidewire/broker"
)

func frameOf(size int) *Frame { return &Frame{Bytes: make([]byte, size)} }

// roomyHub is what counts, without a limit.
func roomyHub() *Host {
	h := &Host{}
	h.memory.init(h, math.MaxInt64)
	return h
}

// TestOutboxKeepsWhatWasLent: frames that were lent count for nobody until the outbox has
// to keep them; then all do, and what comes later, until nothing is left.
func TestOutboxKeepsWhatWasLent(t *testing.T) {
	var o outbox
	m := &roomyHub().memory
	reserve := func(lent bool) *Frame {
		f := frameOf(100)
		if !o.reserve(m, f, lent) {
			t.Fatal("there is no room")
		}
		o.queue = append(o.queue, f)
		return f
	}
	size := int64(frameOf(100).size())
	reserve(true)
	taken := o.take()
	reserve(true)
	if used := m.used.Load(); used != 0 {
		t.Errorf("lent frames count for %d", used)
	}
	reserve(false)
	reserve(true)
	if used := m.used.Load(); used != 4*size {
		t.Errorf("four frames count for %d, want %d", used, 4*size)
	}
	o.unreserve(m, taken)
	o.unreserve(m, o.take())
	if o.rest(m); m.used.Load() != 0 || o.keeps {
		t.Errorf("nothing counts for %d", m.used.Load())
	}
	reserve(true)
	if used := m.used.Load(); used != 0 {
		t.Errorf("after it a lent frame counts for %d", used)
	}
}

// TestOutboxPays: a full socket counts, and so do the arrays of long queues.
func TestOutboxPays(t *testing.T) {
	var o outbox
	m := &roomyHub().memory
	for _, tt := range []struct {
		count int
		waits bool
		want  int64
	}{{maxSpare, false, 0}, {maxSpare + 1, false, slotStep * slotCost}, {slotStep, true, waitCost + slotStep*slotCost},
		{slotStep + 1, true, waitCost + 2*slotStep*slotCost}, {1, true, waitCost + 2*slotStep*slotCost}} {
		o.waits = tt.waits
		if !o.pay(m, tt.count) || m.used.Load() != tt.want || o.paid != tt.want {
			t.Errorf("%d frames cost %d, want %d", tt.count, m.used.Load(), tt.want)
		}
	}
	if o.rest(m); m.used.Load() != 0 || o.waits {
		t.Errorf("an empty one costs %d", m.used.Load())
	}
}

// TestOutboxTakesAboutOneWrite: what waits is given out in order, and about 64 KiB at a
// time.
func TestOutboxTakesAboutOneWrite(t *testing.T) {
	const k = 1 << 10
	tests := []struct {
		name   string
		queued []int // bytes of each frame
		want   []int // frames of each write
	}{
		{"nothing", nil, []int{0}},
		{"little", []int{1, 1, 1}, []int{3}},
		{"just below", []int{63 * k, k - 1, 0}, []int{3}},
		{"just enough, and more", []int{63 * k, k, 1}, []int{2, 1}},
		{"just enough, and no more", []int{63 * k, k}, []int{2}},
		{"large ones", []int{100 * k, 100 * k, 100 * k}, []int{1, 1, 1}},
		{"a large one behind small ones", []int{1, 1, 100 * k, 1}, []int{3, 1}},
		{"many", []int{32 * k, 32 * k, 32 * k, 32 * k, 32 * k}, []int{2, 2, 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o outbox
			var all []*Frame
			for _, size := range tt.queued {
				all = append(all, frameOf(size))
			}
			o.queue = append(o.queue, all...)
			var got []int
			for next := 0; len(o.queue) > 0 || got == nil; {
				frames := o.take()
				got = append(got, len(frames))
				for _, f := range frames {
					if f != all[next] {
						t.Fatal("not in order")
					}
					next++
				}
				// What is given out is the writer's alone: what is queued meanwhile isn't in it.
				if len(o.queue) > 0 && cap(frames) != len(frames) {
					t.Errorf("a write of %d frames has room for %d", len(frames), cap(frames))
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) {
				t.Errorf("writes of %v frames, want %v", got, tt.want)
			}
		})
	}
}

// TestOutboxCountsUntilWritten: frames count from when they are reserved until they are
// written, whether they are queued or kept back.
func TestOutboxCountsUntilWritten(t *testing.T) {
	size := frameOf(100).size()
	tests := []struct {
		name  string
		bound broker.Limit
		want  int // frames of 100 bytes that fit
	}{
		{"one always fits", broker.Limit{Messages: 0, Bytes: 0}, 1},
		{"by number", broker.Limit{Messages: 3, Bytes: 1 << 20}, 3},
		{"by bytes, exactly", broker.Limit{Messages: 100, Bytes: 4 * size}, 4},
		{"by bytes, almost", broker.Limit{Messages: 100, Bytes: 4*size - 1}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o outbox
			m := &roomyHub().memory
			var frames []*Frame
			for f := frameOf(100); o.fits(f, tt.bound) && o.reserve(m, f, false) && len(frames) < 1000; f = frameOf(100) {
				frames = append(frames, f)
			}
			if len(frames) != tt.want || o.count != tt.want || o.size != tt.want*size {
				t.Fatalf("%d frames fit, and count as %d of %d bytes; want %d", len(frames), o.count, o.size, tt.want)
			}
			if used := m.used.Load(); used != int64(tt.want*size) {
				t.Errorf("%d bytes are counted for the hub", used)
			}
			o.unreserve(m, frames[:1])
			if !o.fits(frames[0], tt.bound) {
				t.Error("what was written still counts")
			}
			o.unreserve(m, frames[1:])
			if o.count != 0 || o.size != 0 || m.used.Load() != 0 {
				t.Errorf("%d frames of %d bytes count, and none is left", o.count, o.size)
			}
		})
	}
}

// TestOutboxKeepsASmallArray: an idle session keeps an array for the next few frames, but
// neither frames nor a large array.
func TestOutboxKeepsASmallArray(t *testing.T) {
	for n, kept := range map[int]bool{1: true, maxSpare: true, maxSpare + 1: false, 1000: false} {
		var o outbox
		o.queue = make([]*Frame, n)
		for i := range o.queue {
			o.queue[i] = frameOf(1)
		}
		frames := o.take()
		o.reuse(frames)
		if got := o.spare != nil; got != kept || len(o.spare) != 0 {
			t.Errorf("an array of %d is kept: %v", n, got)
		}
		if frames[0] != nil {
			t.Error("frames are kept")
		}
		if o.take(); kept && (cap(o.queue) != n || o.spare != nil) {
			t.Errorf("an array of %d isn't used again", n)
		}
	}
}
