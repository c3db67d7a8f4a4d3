package ws

import (
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/websocket"
)

// receive begins to receive what the client sends, which may have come with the
// handshake. A client without topics has to send something.
func (c *conn) receive(idle bool) {
	if idle {
		c.session.ExpectFirst()
	} else {
		c.session.ExpectInput()
	}
	c.socket.Receive(c)
}

// Frame counts a frame of the client. What still comes after the end is on the way to
// the answer to the close frame, and isn't counted.
func (c *conn) Frame() error {
	if c.ended.Load() {
		return nil
	}
	return c.session.CountFrame(&c.meter)
}

// Hold counts what a message holds that has come in part.
func (c *conn) Hold(bytes int) error {
	if bytes > 0 && c.ended.Load() || c.session.Keep(bytes) {
		return nil
	}
	return push.CodeSlowConsumer // the session is over, and has a reason for its client
}

// Pong starts the wait for the client anew.
func (c *conn) Pong() {
	if !c.ended.Load() {
		c.session.ExpectInput()
	}
}

// Message acts on a message of the client; false if it was the last.
func (c *conn) Message(typ websocket.MessageType, data []byte) bool {
	if c.plain() || typ != websocket.Text {
		c.session.Close(push.NewError(push.CodeUnsupported, "this connection takes no such message", nil))
		return false
	}
	c.session.Busy()
	if e := c.handle(data); e != nil {
		c.session.Close(e)
		return false
	}
	c.session.ExpectInput()
	return true
}

// Ended notes that nothing more is received.
func (c *conn) Ended(err error) {
	if err != nil {
		c.session.Lost(err)
	}
	c.receiving.Done()
}
