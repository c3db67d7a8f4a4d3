package websocket

import (
	"context"
	"errors"
	"os"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// client is one connection that speaks the Tidewire protocol. Its reader is a
// goroutine of its own; what goes out is written by the session.
type client struct {
	// static
	transport  *Transport
	conn       *Conn
	session    *push.Session
	ctx        context.Context // ends with the session
	cancel     context.CancelFunc
	readerDone chan struct{}

	strikes int // owned by the reader
}

// maxStrikes is how many requests that can't be understood a client may make.
const maxStrikes = 10

// Write sends frames.
func (cl *client) Write(frames []*push.Frame) error {
	if len(frames) == 1 {
		return cl.conn.WriteFrames([][]byte{frames[0].Bytes})
	}
	bytes := make([][]byte, len(frames))
	for i, f := range frames {
		bytes[i] = f.Bytes
	}
	return cl.conn.WriteFrames(bytes)
}

// End tells the client why, if it isn't gone, closes the connection and waits
// for the reader.
func (cl *client) End(reason *push.Error) {
	cl.cancel()
	if reason != nil {
		if reason.Code != push.CodeDraining {
			sayError(cl.conn, reason)
		}
		_ = cl.conn.Close(StatusCode(reason.Code.CloseCode()), closeReason(reason)) // closed either way
	}
	_ = cl.conn.CloseNow() // never fails
	<-cl.readerDone
}

// Abort drops the connection.
func (cl *client) Abort() {
	cl.cancel()
	_ = cl.conn.CloseNow() // never fails
}

// read subscribes to the topics of the URL, and then takes what the client sends
// until the connection ends.
func (cl *client) read(follows []push.Follow) {
	defer close(cl.readerDone)
	plain := cl.conn.Subprotocol() == ""
	var refused *push.Error
	cl.session.Subscribe(cl.ctx, follows, func(answers []push.Followed) *push.Frame {
		refused = push.AllRefused(answers)
		return textFrame(protocol.Welcome(cl.session.ID(), cl.transport.options.Heartbeat, answers))
	})
	if refused != nil && plain {
		cl.session.Close(refused) // it has no way to ask for another topic
	}
	for {
		cl.transport.alive(cl.conn)                          // what the hooks took isn't the client's silence
		typ, data, err := cl.conn.Read(context.Background()) // ends with the connection
		if err != nil {
			cl.session.Close(lost(err))
			return
		}
		if plain || typ != Text {
			cl.session.Close(push.Errorf(push.CodeUnsupported, "this connection takes no such message", nil))
			return
		}
		if e := cl.handle(data); e != nil {
			cl.session.Close(e)
			return
		}
	}
}

// lost says why reading has ended: nil if the client is gone, or was told.
func lost(err error) *push.Error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return push.Errorf(push.CodeTimeout, "no answer to the heartbeat", nil)
	}
	return nil
}

// handle acts on one frame. An error ends the connection.
func (cl *client) handle(frame []byte) *push.Error {
	request, err := protocol.ParseRequest(frame)
	if malformed, ok := errors.AsType[*protocol.MalformedError](err); ok {
		return push.Errorf(push.CodeBadRequest, "malformed frame: "+malformed.Reason, nil)
	}
	if err != nil {
		if cl.strikes++; cl.strikes >= maxStrikes {
			return push.Errorf(push.CodeBadRequest, "too many requests that can't be understood", nil)
		}
		cl.send(protocol.RequestError(request.ID, push.AsError(err)))
		return nil
	}
	switch request.Type {
	case protocol.TypePing:
		cl.send(protocol.Pong())
	case protocol.TypeSubscribe:
		cl.session.Subscribe(cl.ctx, request.Follows, func(answers []push.Followed) *push.Frame {
			return textFrame(protocol.Subscribed(request.ID, answers))
		})
	case protocol.TypeUnsubscribe:
		cl.session.Unsubscribe(request.Topics, func() *push.Frame {
			return textFrame(protocol.Unsubscribed(request.ID, request.Topics))
		})
	case protocol.TypeSend:
		cl.receive(request)
	}
	return nil
}

// receive hands a message to the application and sends its reply.
func (cl *client) receive(request protocol.Request) {
	reply, err := cl.transport.hub.Inbound(cl.ctx, push.Inbound{
		Identity: cl.session.Identity(),
		Session:  cl.session.ID(),
		ID:       request.Message,
		Topic:    request.Topic,
		Event:    request.Event,
		Data:     request.Data,
		Binary:   request.Binary,
	})
	if err != nil {
		cl.send(protocol.RequestError(request.ID, push.AsError(err)))
		return
	}
	cl.send(protocol.Reply(request.ID, reply))
}

func (cl *client) send(json []byte) { cl.session.Send(textFrame(json)) }
