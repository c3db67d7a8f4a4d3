package redisbroker

import (
	"context"

	"github.com/tidewire/tidewire/push"
)

// port is all that the broker asks of Redis. What followers are told is decided
// above it, in the broker's own files; below it are scripts, pipelines and
// connections. The simulation puts a Redis of its own in its place.
//
// All methods may be called by any number of goroutines. Errors are *push.Error, or
// errStale.
type port interface {
	// add stores a message at the next offset of its topic and sends it to the
	// topic's channel, in one step. The witness is the highest position that is
	// known to have been stored: a history without it, or of the epoch before it,
	// has gone back in time, and ends. A topic that isn't there begins where the origin
	// says, or the error is errStale. With repeatable, an ID that is stored already adds
	// nothing. An error may mean that it was stored all the same, except for
	// push.ErrConflict and errStale.
	add(ctx context.Context, m *push.Message, repeatable bool, w witness, o origin) (push.Receipt, error)
	// read gives the head of a topic and some of its messages, oldest first. What it
	// finds begins as in add, but stores nothing unless history was lost.
	read(ctx context.Context, topic string, q query, w witness, o origin) (push.Page, error)
	// genesis gives the text that origins are made of.
	genesis(ctx context.Context) (string, error)
	// heads tells where topics are, in their order; zero for one that isn't there.
	heads(ctx context.Context, topics []string) ([]push.Position, error)
	// put, take and all are those of push.Store.
	put(ctx context.Context, set, key string, v push.Stored) (there *push.Stored, err error)
	take(ctx context.Context, set, key string) ([]byte, error)
	all(ctx context.Context, set string) (map[string]push.Stored, error)
	// notify sends text to a channel and stores nothing.
	notify(ctx context.Context, channel, text string) error
	// health tells what is wrong with Redis: nil if a write succeeds.
	health(ctx context.Context) error

	// place names where a channel is heard: channels of one place share a line.
	place(ctx context.Context, channel string) (string, error)
	// open makes a line at the place of the channel. It doesn't connect yet.
	open(ctx context.Context, channel string) (line, error)
	// look makes place look again, soon: something has moved.
	look(ctx context.Context)

	// close waits for calls that are under way. There must be no new ones.
	close(ctx context.Context) error
}

// query says which messages to read.
type query struct {
	newest bool          // the last limit.Messages ones; else those after a position
	after  push.Position // what follows it is read only if it is proven; else the page has the gap
	limit  push.Limit
}

// line is one connection for pub/sub. Closing it ends a receive.
type line interface {
	// subscribe asks for channels; each is confirmed by a notice once it is heard,
	// also if it was heard before.
	subscribe(ctx context.Context, channels ...string) error
	unsubscribe(ctx context.Context, channels ...string) error
	// receive waits for the next notice. Only one goroutine may call it.
	receive(ctx context.Context) (notice, error)
	close()
}

// notice is what a line has to tell.
type notice struct {
	kind    noticeKind
	channel string
	text    string // of a message
}

type noticeKind uint8

const (
	noticeOther noticeKind = iota
	noticeMessage
	noticeSubscribed
	noticeUnsubscribed
)
