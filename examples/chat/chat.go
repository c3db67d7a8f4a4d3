package main

import (
	"context"
	"embed"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

//go:embed page
var page embed.FS

// remembered is how long posts are kept, and for how long sending one again
// stores nothing new.
const remembered = 24 * time.Hour

// brokerOptions keep posts, and tell pages when each was stored. Guests that type are
// the keys of a state, which end by themselves.
var brokerOptions = redisbroker.Options{
	Topics: []push.TopicRule{
		{Pattern: topicPrefix + "{room}", History: broker.History{Age: remembered}, Time: true},
		{Pattern: typingPrefix + "{room}", State: true, TTL: typingFor, MaxKeys: 1000, MaxValue: 1 << 10},
	},
	Retry: remembered,
}

// chat is the server.
type chat struct{ hub *push.Hub }

func newChat(broker push.Broker) *chat {
	c := &chat{}
	c.hub = push.New(broker, push.Options{
		Identify: identify, Authorize: authorize, Receive: c.receive,
		Presence: []string{topicPrefix + "{room}"}, Member: member,
	})
	return c
}

// authorize lets anyone read and write in every room, see who is there and who types, and
// nothing else.
var authorize = push.Rules(
	push.Rule{Pattern: topicPrefix + "{room}", Follow: isRoom, Send: isRoom, Members: isRoom},
	push.Rule{Pattern: typingPrefix + "{room}", Follow: isRoom},
)

// receive takes what a page sends to a room: a post, or that somebody types.
func (c *chat) receive(ctx context.Context, in push.Inbound) (push.Reply, error) {
	room := strings.TrimPrefix(in.Topic, topicPrefix)
	if in.Event == typingEvent {
		return c.typing(ctx, in, room)
	}
	reply, err := c.post(ctx, in)
	c.typed(ctx, in, room)
	return reply, err
}

// post publishes a post. The message keeps the ID that its sender gave it, so
// that one which is sent again, because the answer got lost, is stored once.
func (c *chat) post(ctx context.Context, in push.Inbound) (push.Reply, error) {
	data, err := readPost(in)
	if err != nil {
		return push.Reply{}, err
	}
	receipt, err := c.hub.Publish(ctx, push.Message{ID: in.ID, Topic: in.Topic, Data: data, Encoding: push.EncodingJSON})
	if err != nil {
		return push.Reply{}, err
	}
	return push.Reply{Data: protocol.HTTPReceipt(receipt), Encoding: push.EncodingJSON}, nil
}

func (c *chat) routes() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	pages := serve.Page(files)
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(c.hub))
	r.With(http.NewCrossOriginProtection().Handler).Post("/me", introduce)
	r.Get("/room/{room:"+roomPattern+"}", func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix(r.URL.Path, pages).ServeHTTP(w, r) // the page at / shows every room
	})
	r.Handle("/*", pages)
	return r
}
