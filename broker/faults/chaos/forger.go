package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport/protocol"
)

const (
	forgers       = 12
	forgerTimeout = 5 * time.Second
	// forgerFollows is how many messages a forger waits for after it was told.
	forgerFollows = 2
)

// forgeCursors has clients come with places that they have made up, of what anybody may know who follows a topic. Each is
// told by a gap before anything else, and then gets what follows. That nobody else notices is what all clients are judged by.
func (w *world) forgeCursors(d *draws) error {
	told := 0
	var last error
	for i := range forgers {
		c := w.clients[d.random.IntN(len(w.clients))]
		topic := c.topics[d.random.IntN(len(c.topics))]
		at := c.where(topic)
		switch i % 4 {
		case 0: // another tag
			at.Offset, at.Tag = max(at.Offset, 1), at.Tag^0x5a5a5a5a
		case 1: // ahead of everybody
			at.Offset, at.Tag = at.Offset+1_000_000, d.random.Uint32()
		case 2:
			at.Offset, at.Tag = broker.MaxOffset, d.random.Uint32()
		default: // another epoch
			at.Epoch ^= 1
		}
		links := w.addresses[d.random.IntN(len(w.addresses))]
		way := append(webSockets, eventStreams...)[i%4]
		address := links[d.random.IntN(len(links))] + way.path
		err := w.forge(way, address, topic, at)
		switch {
		case err == nil:
			told++
		case errors.Is(err, errBelieved):
			w.found.add(broken, noClient, topic, "a forged cursor at %s: %v", format(at), err)
		default:
			last = err // the path or the instance is away
		}
	}
	w.forged.Add(int64(told))
	if told == 0 {
		return fmt.Errorf("no forged cursor could be tried: %w", last)
	}
	return nil
}

var errBelieved = errors.New("it isn't taken for what it is")

// forge follows a topic from a place that there never was.
func (w *world) forge(way way, address, topic string, at broker.Position) error {
	ctx, cancel := context.WithTimeout(context.Background(), forgerTimeout)
	defer cancel()
	link, err := way.dial(ctx, address, "forger", []string{topic}, cursor.Format(topic, at))
	if err != nil {
		return err
	}
	defer link.close()
	var place broker.Position
	var known string
	for messages := 0; messages < forgerFollows; {
		f, err := link.next()
		if err != nil && !place.IsZero() {
			return nil // it was told, and nothing is published
		} else if err != nil {
			return err
		}
		if f.Type != protocol.TypeGap && f.Type != protocol.TypeMessage {
			continue
		}
		known = f.cursorAfter(known)
		next, err := position(topic, known)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", errBelieved, err)
		case f.Type == protocol.TypeMessage && place.IsZero():
			return fmt.Errorf("%w: %s came before a gap", errBelieved, format(next))
		case f.Type == protocol.TypeMessage && (next.Epoch != place.Epoch || next.Offset != place.Offset+1):
			return fmt.Errorf("%w: %s came after %s", errBelieved, format(next), format(place))
		case f.Type == protocol.TypeMessage:
			messages++
		}
		place = next
	}
	return nil
}

// where tells where the client is in a topic.
func (c *client) where(topic string) broker.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.views[topic].place
}
