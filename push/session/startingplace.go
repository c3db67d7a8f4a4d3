package session

import (
	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
)

// startingPlace is where a client wants to begin.
type startingPlace struct {
	from     From
	position broker.Position // zero if the cursor can't be read, or the place isn't known yet
	issued   uint32          // when the cursor was, if the position is before the first message
	recent   int             // how many of the last messages it wants
}

// cursor is the place as the client brought it, or empty.
func (p startingPlace) cursor(topic string) string {
	if p.position.IsZero() {
		return ""
	}
	return cursor.Place{Position: p.position, Issued: p.issued}.Cursor(topic)
}

// startingPlaces reads the cursors of a request. A good cursor that lacks a topic
// means that the client is new to the topic, but only if it is a cursor of
// other topics of the request.
func startingPlaces(follows []Follow) []startingPlace {
	places := make([]startingPlace, len(follows))
	cursors := map[string]cursor.Cursor{}
	fitting := map[string]bool{}
	for i, f := range follows {
		places[i].from, places[i].recent = FromNow, f.Recent
		if f.Recent > 0 {
			places[i].from = FromRecent
		}
		if f.Since == "" {
			continue
		}
		since, read := cursors[f.Since]
		if !read {
			since, _ = cursor.Parse(f.Since) // what can't be read is a cursor of nothing
			cursors[f.Since] = since
		}
		if place, ok := since.Place(f.Topic); ok {
			places[i] = startingPlace{FromCursor, place.Position, place.Issued, f.Recent}
			fitting[f.Since] = true
		}
	}
	for i, f := range follows {
		if f.Since != "" && !fitting[f.Since] {
			places[i].from = FromCursor
		}
	}
	return places
}

// stateFrom is how a client begins that follows a state.
func (p startingPlace) stateFrom() From {
	if p.from == FromCursor {
		return FromCursor
	}
	return FromSnapshot
}
