package main

import "sync"

// room is how the chats among the examples of libraries send to all: a channel for each client, and whose channel is
// full is cut. Each client's goroutine writes what comes out of it.
type room struct {
	size int // of the channels

	mu      sync.Mutex
	members map[chan []byte]struct{}
}

func newRoom(size int) *room { return &room{size: size, members: map[chan []byte]struct{}{}} }

func (r *room) join() chan []byte {
	member := make(chan []byte, r.size)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[member] = struct{}{}
	return member
}

func (r *room) leave(member chan []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut(member)
}

func (r *room) publish(_ string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for member := range r.members {
		select {
		case member <- data:
		default:
			r.cut(member)
		}
	}
}

// cut is called with r.mu held.
func (r *room) cut(member chan []byte) {
	if _, ok := r.members[member]; ok {
		delete(r.members, member)
		close(member)
	}
}
