package session

import (
	"sync"
	"time"

	"github.com/tidewire/tidewire/push"
)

// traces are the live messages on their way to clients whose end push.Options.Tracer wants to
// know. Their frames have the stamp traced, so that any other costs nothing.
type traces struct{ byFrame sync.Map } // *Frame to *trace

// trace is one message. It counts for each shard that is yet to deliver it, and for each
// client that has yet to take it.
type trace struct {
	// static
	hub    *Host
	frames []*Frame
	end    func(push.Delivery)

	mu       sync.Mutex // guards the rest; innermost
	left     int
	ended    bool // what is put back and queued again doesn't count
	delivery push.Delivery
}

// trace begins a trace of a message that is delivered now, or returns nil.
func (h *Host) trace(m *push.Message) *trace {
	if h.options.Tracer == nil || len(m.Header) == 0 {
		return nil
	}
	var end func(push.Delivery)
	h.watch(func() { end = h.options.Tracer.Deliver(m) })
	if end == nil {
		return nil
	}
	return &trace{hub: h, end: end, left: 1}
}

// mark makes a frame, which nobody else has yet, one of the trace. Nil marks nothing.
func (t *trace) mark(f *Frame) {
	if t != nil {
		f.arrived |= traced
		t.frames = append(t.frames, f)
		t.hub.traces.byFrame.Store(f, t)
	}
}

// add counts something more that is to be done.
func (t *trace) add(n int) {
	if t != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.left += n
	}
}

// done counts something that is done. After the last the trace ends. Called with any lock
// held but its own.
func (t *trace) done(note func(d *push.Delivery)) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	if note != nil {
		note(&t.delivery)
	}
	if t.left--; t.left > 0 {
		return
	}
	t.ended = true
	for _, f := range t.frames {
		t.hub.traces.byFrame.Delete(f)
	}
	d := t.delivery
	t.hub.work.Go(func() { t.hub.watch(func() { t.end(d) }) })
}

// reserved notes that a frame is to be written to one more client.
func (ts *traces) reserved(f *Frame) {
	if t, ok := ts.byFrame.Load(f); ok {
		t.(*trace).add(1)
	}
}

// settled notes that frames aren't reserved any more.
func (ts *traces) settled(frames []*Frame, note func(d *push.Delivery)) {
	for _, f := range frames {
		if f.arrived&traced == 0 {
			continue
		}
		if t, ok := ts.byFrame.Load(f); ok {
			t.(*trace).done(note)
		}
	}
}

func noteDropped(d *push.Delivery) { d.Dropped++ }

// noteWrite notes that a client took a message now, or not, if there is an error.
func noteWrite(err error) func(d *push.Delivery) {
	if err != nil {
		return noteDropped
	}
	now := time.Now()
	return func(d *push.Delivery) {
		if d.Clients++; d.Clients == 1 {
			d.First = now
		}
		d.Last = now
	}
}
