package push

// outbox is what waits for one client to read it, bounded by Options.Queue. Frames
// count from when they are reserved until they were written, so that what a
// client holds up is what is bounded.
type outbox struct {
	queue []*Frame
	spare []*Frame // the last queue's array, to be used again
	size  int      // of all that is reserved, in bytes
	count int      // of all that is reserved
}

// writeSize is about how many bytes one Conn.Write gets, so that a client that
// reads slowly but steadily meets the write timeout.
const writeSize = 64 << 10

// maxSpare bounds the array that an idle session keeps.
const maxSpare = 16

// fits reports whether there is room for a frame. One that is alone always fits.
func (o *outbox) fits(frame *Frame, bound Limit) bool {
	return o.count == 0 || o.size+frame.size() <= bound.Bytes && o.count < bound.Messages
}

// reserve counts a frame in, if it fits.
func (o *outbox) reserve(frame *Frame, bound Limit) bool {
	if !o.fits(frame, bound) {
		return false
	}
	o.size += frame.size()
	o.count++
	return true
}

// unreserve counts frames out.
func (o *outbox) unreserve(frames []*Frame) {
	for _, frame := range frames {
		o.size -= frame.size()
		o.count--
	}
}

// take gives the frames of one write. They stay reserved until written.
func (o *outbox) take() []*Frame {
	size := 0
	for i, frame := range o.queue {
		if size += len(frame.Bytes); size >= writeSize && i+1 < len(o.queue) {
			frames := o.queue[: i+1 : i+1]
			o.queue = o.queue[i+1:]
			return frames
		}
	}
	frames := o.queue
	o.queue, o.spare = o.spare, nil
	return frames
}

// keep keeps the array of frames that take gave out.
func (o *outbox) keep(frames []*Frame) {
	if cap(frames) <= maxSpare {
		clear(frames)
		o.spare = frames[:0]
	}
}
