package push

import "sync"

// entry is a message of a topic as it is kept for its clients: encoded once for
// each format, whoever asks first.
type entry struct {
	message *Message

	mu     sync.Mutex
	frames []formatted
}

type formatted struct {
	format Format
	frame  *Frame
}

// frame gives the message in a format.
func (e *entry) frame(format Format) *Frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, f := range e.frames {
		if f.format == format {
			return f.frame
		}
	}
	frame := format.Message(e.message)
	e.frames = append(e.frames, formatted{format, frame})
	return frame
}
