package sim

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
)

// place is where a client is in one topic, and how it stands to it.
type place struct {
	// static
	world  *world
	client *simClient
	topic  string
	state  bool // the topic is one

	// guarded by client.mu
	at      broker.Position // the client's position; zero if it has none
	cursor  string          // the last that came for the position
	asked   broker.Position // with which it has asked for the topic
	stage   stage
	since   time.Time       // when it was welcomed
	rewound time.Time       // when the client has last forgotten where it was
	forged  broker.Position // a position that the client has made up
	foreign bool            // its cursor is another topic's, and it has no position
	emptied bool            // a reset has taken the position of a state
}

// stage is how far a client is with following a topic.
type stage uint8

const (
	absent stage = iota
	following
	leaving
)

func (p *place) violate(format string, args ...any) {
	p.world.violate("%s, %s at %v: "+format, append([]any{p.client.name, p.topic, p.at}, args...)...)
}

// isKnown reports whether the client has a cursor to come back with.
func (p *place) isKnown() bool { return !p.at.IsZero() || p.foreign }

func (p *place) position(at string) (broker.Position, bool) {
	c, err := cursor.Parse(at)
	if err != nil {
		p.violate("cursor %q: %v", at, err)
	}
	return c.Position(p.topic)
}

// after is the cursor that a frame moves to which has the part of it that moves.
func (p *place) after(at string) string {
	if len(p.cursor) >= cursor.Constant {
		return p.cursor[:cursor.Constant] + at
	}
	return at
}

// forget makes the client one whose cursor is of another topic.
func (p *place) forget() {
	p.at, p.forged, p.foreign, p.rewound = broker.Position{}, broker.Position{}, true, time.Now()
	p.cursor = cursor.Format("elsewhere/"+p.topic, p.world.store.position(p.topic))
}

// begin makes the client new to the topic.
func (p *place) begin() {
	p.at, p.forged, p.foreign, p.emptied, p.cursor = broker.Position{}, broker.Position{}, false, false, ""
}

// forge puts the client at a position that it has made up.
func (p *place) forge(at broker.Position) {
	p.at, p.forged, p.foreign, p.rewound = at, at, false, time.Now()
	p.cursor = cursor.Format(p.topic, at)
}
