package ws

import (
	"errors"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// maxStrikes is how many requests that can't be understood a client may make.
const maxStrikes = 10

// follow subscribes to the topics of the URL.
func (c *conn) follow(follows []session.Follow) {
	ctx, end := c.begin()
	defer end()
	if err := c.session.CountTopics(&c.meter, len(follows)); err != nil {
		c.session.Close(push.AsError(err))
		return
	}
	var refused *push.Error
	c.session.Subscribe(ctx, follows, func(answers []session.Followed) *session.Frame {
		refused = session.AllRefused(answers)
		return textFrame(protocol.Welcome(c.session.ID(), c.transport.options.Heartbeat, c.session.Identity().Expires, answers))
	})
	if refused != nil && c.plain() {
		c.session.Close(refused) // it has no way to ask for another topic
	}
}

// handle acts on one frame. An error ends the connection.
func (c *conn) handle(frame []byte) *push.Error {
	request, err := protocol.ParseRequest(frame)
	if malformed, ok := errors.AsType[*protocol.MalformedError](err); ok {
		return push.NewError(push.CodeBadRequest, "malformed frame: "+malformed.Reason, nil)
	}
	if err != nil {
		if c.strikes++; c.strikes >= maxStrikes {
			return push.NewError(push.CodeBadRequest, "too many requests that can't be understood", nil)
		}
		c.send(protocol.RequestError(request.ID, push.AsError(err)))
		return nil
	}
	if err := c.session.CountTopics(&c.meter, len(request.Follows)); err != nil {
		return push.AsError(err)
	}
	switch request.Type {
	case protocol.TypePing:
		c.send(protocol.Pong())
	case protocol.TypeSubscribe:
		ctx, end := c.begin()
		defer end()
		c.session.Subscribe(ctx, request.Follows, func(answers []session.Followed) *session.Frame {
			return textFrame(protocol.Subscribed(request.ID, answers))
		})
	case protocol.TypeUnsubscribe:
		c.session.Unsubscribe(request.Topics, func() *session.Frame {
			return textFrame(protocol.Unsubscribed(request.ID, request.Topics))
		})
	case protocol.TypeSend:
		c.inbound(request)
	}
	return nil
}

// inbound hands a message to the application and sends its reply.
func (c *conn) inbound(request protocol.Request) {
	ctx, end := c.begin()
	defer end()
	reply, err := c.session.Inbound(ctx, &c.meter, push.Inbound{
		ID:       request.Message,
		Topic:    request.Topic,
		Event:    request.Event,
		Data:     request.Data,
		Encoding: request.Encoding,
	})
	if err != nil {
		c.send(protocol.RequestError(request.ID, push.AsError(err)))
		return
	}
	c.send(protocol.Reply(request.ID, reply))
}

func (c *conn) send(json []byte) { c.session.Send(textFrame(json)) }
