package websocket

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// client is one connection that speaks the Tidewire protocol. While it says nothing
// it has no goroutine, if its socket allows that; what goes out is written by the
// hub.
type client struct {
	// static
	transport *Transport
	conn      *Conn
	session   *push.Session
	receiving sync.WaitGroup // done when nothing more is received

	rest    []*push.Frame // owned by the writer: what TryWrite didn't begin with
	meter   push.Meter    // owned by the reader
	strikes uint8         // owned by the reader

	ended  atomic.Bool // changed with mu held
	mu     sync.Mutex  // guards cancel
	cancel context.CancelFunc
}

// maxStrikes is how many requests that can't be understood a client may make.
const maxStrikes = 10

// Write sends frames.
func (cl *client) Write(frames []*push.Frame) error {
	var room fewParts
	frames = append(cl.rest, frames...)
	cl.rest = nil
	return cl.conn.WriteFrames(appendParts(room[:0], frames))
}

// TryWrite sends frames as far as the kernel takes them.
func (cl *client) TryWrite(frames []*push.Frame) (bool, error) {
	var room fewParts
	left, all, err := cl.conn.TryWriteFrames(appendParts(room[:0], frames))
	if left > 0 {
		cl.rest = slices.Clone(frames[len(frames)-left:])
	}
	return all, err
}

// fewParts is room for the frames of most writes, on the stack.
type fewParts [16][]byte

func appendParts(parts [][]byte, frames []*push.Frame) [][]byte {
	for _, f := range frames {
		parts = append(parts, f.Bytes)
	}
	return parts
}

// End tells the client why, if it isn't gone, closes the connection and waits
// for the reader.
func (cl *client) End(reason *push.Error) {
	cl.stop()
	if reason != nil {
		if reason.Code != push.CodeDraining {
			sayError(cl.conn, reason)
		}
		_ = cl.conn.Close(StatusCode(reason.Code.CloseCode()), closeReason(reason)) // closed either way
	}
	_ = cl.conn.CloseNow() // never fails
	cl.receiving.Wait()
}

// Abort drops the connection.
func (cl *client) Abort() {
	cl.stop()
	_ = cl.conn.CloseNow() // never fails
}

// begin gives the context of what the client asks for. It ends with the session;
// end has to be called.
func (cl *client) begin() (ctx context.Context, end context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.cancel = cancel
	if cl.ended.Load() {
		cancel()
	}
	return ctx, func() {
		cancel()
		cl.mu.Lock()
		defer cl.mu.Unlock()
		cl.cancel = nil
	}
}

// stop ends what the client has asked for.
func (cl *client) stop() {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.ended.Store(true)
	if cl.cancel != nil {
		cl.cancel()
	}
}

// follow subscribes to the topics of the URL.
func (cl *client) follow(follows []push.Follow) {
	ctx, end := cl.begin()
	defer end()
	if err := cl.session.Named(&cl.meter, len(follows)); err != nil {
		cl.session.Close(push.AsError(err))
		return
	}
	var refused *push.Error
	cl.session.Subscribe(ctx, follows, func(answers []push.Followed) *push.Frame {
		refused = push.AllRefused(answers)
		return textFrame(protocol.Welcome(cl.session.ID(), cl.transport.options.Heartbeat, answers))
	})
	if refused != nil && cl.plain() {
		cl.session.Close(refused) // it has no way to ask for another topic
	}
}

// plain reports whether the client has no subprotocol, and so nothing to say.
func (cl *client) plain() bool { return cl.conn.Subprotocol() == "" }

// receive begins to receive what the client sends, which may have come with the
// handshake. A client without topics has to send something.
func (cl *client) receive(idle bool) {
	if idle {
		cl.session.AwaitFirst()
	} else {
		cl.session.Await()
	}
	cl.conn.Receive(cl)
}

// Frame counts a frame of the client.
func (cl *client) Frame() error {
	if cl.ended.Load() {
		return nil // what still comes is on the way to the close frame
	}
	return cl.session.Said(&cl.meter)
}

// Hold counts what a message holds of which a part has come.
func (cl *client) Hold(bytes int) error {
	if cl.ended.Load() && bytes > 0 || cl.session.Keep(bytes) {
		return nil
	}
	return push.ErrSlowConsumer // the session is over, and its client knows why
}

// Pong has the client waited for anew.
func (cl *client) Pong() {
	if !cl.ended.Load() {
		cl.session.Await()
	}
}

// Message acts on a message.
func (cl *client) Message(typ MessageType, data []byte) bool {
	if cl.plain() || typ != Text {
		cl.session.Close(push.Errorf(push.CodeUnsupported, "this connection takes no such message", nil))
		return false
	}
	cl.session.Heard()
	if e := cl.handle(data); e != nil {
		cl.session.Close(e)
		return false
	}
	cl.session.Await()
	return true
}

// Ended is called when nothing more is received.
func (cl *client) Ended(err error) {
	if err != nil {
		cl.session.Lost(err)
	}
	cl.receiving.Done()
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
	if err := cl.session.Named(&cl.meter, len(request.Follows)); err != nil {
		return push.AsError(err)
	}
	switch request.Type {
	case protocol.TypePing:
		cl.send(protocol.Pong())
	case protocol.TypeSubscribe:
		ctx, end := cl.begin()
		defer end()
		cl.session.Subscribe(ctx, request.Follows, func(answers []push.Followed) *push.Frame {
			return textFrame(protocol.Subscribed(request.ID, answers))
		})
	case protocol.TypeUnsubscribe:
		cl.session.Unsubscribe(request.Topics, func() *push.Frame {
			return textFrame(protocol.Unsubscribed(request.ID, request.Topics))
		})
	case protocol.TypeSend:
		cl.inbound(request)
	}
	return nil
}

// inbound hands a message to the application and sends its reply.
func (cl *client) inbound(request protocol.Request) {
	ctx, end := cl.begin()
	defer end()
	reply, err := cl.session.Inbound(ctx, &cl.meter, push.Inbound{
		ID:     request.Message,
		Topic:  request.Topic,
		Event:  request.Event,
		Data:   request.Data,
		Binary: request.Binary,
	})
	if err != nil {
		cl.send(protocol.RequestError(request.ID, push.AsError(err)))
		return
	}
	cl.send(protocol.Reply(request.ID, reply))
}

func (cl *client) send(json []byte) { cl.session.Send(textFrame(json)) }
