package main

import (
	"slices"
	"sync"

	"github.com/tidewire/tidewire/transport/client"
)

// shownState is what has been shown of a state.
type shownState struct {
	topic string
	state *client.State
	out   *printer

	mu     sync.Mutex // guards the rest
	values map[string]string
}

// showAll shows what there is by now.
func (s *shownState) showAll() {
	var keys []string
	for key := range s.state.All() {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	s.show(keys)
}

// show shows those keys that aren't what was shown of them.
func (s *shownState) show(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		value, there := s.state.Get(key)
		old, known := s.values[key]
		l := line{Topic: s.topic, Key: key, Deleted: !there}
		if there {
			l.setData(value.Data, value.Encoding)
			s.values[key] = string(l.Data)
		} else {
			delete(s.values, key)
		}
		if known == there && (!there || old == string(l.Data)) {
			continue
		}
		_ = s.out.print(l) // the reader has gone, which ends the program elsewhere
	}
}
