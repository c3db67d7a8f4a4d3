package push

import (
	"fmt"
	"testing"
)

func frameOf(size int) *Frame { return &Frame{Bytes: make([]byte, size)} }

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
		bound Limit
		want  int // frames of 100 bytes that fit
	}{
		{"one always fits", Limit{Messages: 0, Bytes: 0}, 1},
		{"by number", Limit{Messages: 3, Bytes: 1 << 20}, 3},
		{"by bytes, exactly", Limit{Messages: 100, Bytes: 4 * size}, 4},
		{"by bytes, almost", Limit{Messages: 100, Bytes: 4*size - 1}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var o outbox
			var frames []*Frame
			for f := frameOf(100); o.reserve(f, tt.bound) && len(frames) < 1000; f = frameOf(100) {
				frames = append(frames, f)
			}
			if len(frames) != tt.want || o.count != tt.want || o.size != tt.want*size {
				t.Fatalf("%d frames fit, and count as %d of %d bytes; want %d", len(frames), o.count, o.size, tt.want)
			}
			o.unreserve(frames[:1])
			if !o.fits(frames[0], tt.bound) {
				t.Error("what was written still counts")
			}
			o.unreserve(frames[1:])
			if o.count != 0 || o.size != 0 {
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
		o.keep(frames)
		if got := o.spare != nil; got != kept || len(o.spare) != 0 {
			t.Errorf("an array of %d is kept: %v", n, got)
		}
		if kept && frames[0] != nil {
			t.Error("frames are kept")
		}
		if o.take(); kept && (cap(o.queue) != n || o.spare != nil) {
			t.Errorf("an array of %d isn't used again", n)
		}
	}
}
