package main

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"golang.org/x/sys/unix"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// tidewireGobwas is the hub of Tidewire with the WebSocket of gobwas/ws instead of our own.
func tidewireGobwas(s *site) publish {
	hub, send := s.newHub()
	s.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		upgrader := ws.HTTPUpgrader{Protocol: func(p string) bool { return p == protocol.Subprotocol }}
		conn, _, _, err := upgrader.Upgrade(r, w)
		if err != nil {
			return // it has been answered
		}
		go serveGobwas(hub, conn, r.URL.Query()["topic"])
	}))
	return send
}

func serveGobwas(hub *push.Hub, conn net.Conn, topics []string) {
	c := newGobwasConn(conn)
	defer c.Abort()
	const heartbeat = 25 * time.Second
	s, err := session.Of(hub).Open(session.Client{
		Format: gobwasFormat{}, Conn: c, Try: c, Heartbeat: gobwasFrame(protocol.Ping()), Interval: heartbeat,
	})
	if err != nil {
		log.Fatal(err)
	}
	follows := make([]session.Follow, len(topics))
	for i, topic := range topics {
		follows[i].Topic = topic
	}
	s.Subscribe(context.Background(), follows, func(answers []session.Followed) *session.Frame {
		return gobwasFrame(protocol.Welcome(s.ID(), heartbeat, s.Identity().Expires, answers))
	})
	for {
		err := conn.SetReadDeadline(time.Now().Add(heartbeat + 10*time.Second))
		if err == nil {
			_, _, err = wsutil.ReadClientData(conn)
		}
		if err != nil {
			s.Close(nil)
			<-s.Done()
			return
		}
	}
}

// gobwasConn is a [session.Conn] that joins frames to one write, and writes without waiting where it can, as our own
// does.
type gobwasConn struct {
	conn net.Conn
	raw  syscall.RawConn
	rest []byte // what TryWrite didn't get rid of
}

var (
	_ session.Conn      = (*gobwasConn)(nil)
	_ session.TryWriter = (*gobwasConn)(nil)
)

func newGobwasConn(conn net.Conn) *gobwasConn {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		log.Fatal(err)
	}
	return &gobwasConn{conn: conn, raw: raw}
}

// joints are for joining frames.
var joints = sync.Pool{New: func() any { return new([]byte) }}

// join hands on frames as one piece.
func join(frames []*session.Frame, write func([]byte) error) error {
	if len(frames) == 1 {
		return write(frames[0].Bytes)
	}
	joint := joints.Get().(*[]byte)
	defer joints.Put(joint)
	*joint = (*joint)[:0]
	for _, f := range frames {
		*joint = append(*joint, f.Bytes...)
	}
	return write(*joint)
}

func (c *gobwasConn) Write(frames []*session.Frame) error {
	if err := c.conn.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	rest := c.rest
	c.rest = nil
	if _, err := c.conn.Write(rest); err != nil {
		return err
	}
	return join(frames, func(b []byte) error {
		_, err := c.conn.Write(b)
		return err
	})
}

func (c *gobwasConn) TryWrite(frames []*session.Frame) (bool, error) {
	err := join(frames, func(b []byte) error {
		var n int
		var failed error
		err := c.raw.Write(func(fd uintptr) bool {
			n, failed = unix.Write(int(fd), b)
			return true
		})
		if failed == unix.EAGAIN {
			n, failed = 0, nil
		}
		if err == nil && failed == nil && n < len(b) {
			c.rest = bytes.Clone(b[n:])
		}
		return errors.Join(err, failed)
	})
	return c.rest == nil, err
}

func (c *gobwasConn) End(*push.Error) { c.Abort() }
func (c *gobwasConn) Abort()          { _ = c.conn.Close() } // closed either way

// gobwasFormat makes the frames of transport/ws with the encoder of gobwas/ws.
type gobwasFormat struct{}

func (gobwasFormat) Message(m *push.Message) *session.Frame {
	cursor := cursor.Format(m.Topic, m.Position)
	f := gobwasFrame(protocol.Message(m, cursor))
	f.Topic, f.Cursor = m.Topic, cursor
	return f
}

func (gobwasFormat) Gap(g broker.Gap) *session.Frame {
	cursor := cursor.Format(g.Topic, g.Now)
	f := gobwasFrame(protocol.Gap(g, cursor))
	f.Topic, f.Cursor = g.Topic, cursor
	return f
}

func (gobwasFormat) Reconnect(afterMS int) *session.Frame {
	return gobwasFrame(protocol.Reconnect(afterMS))
}

func gobwasFrame(json []byte) *session.Frame {
	return &session.Frame{Bytes: ws.MustCompileFrame(ws.NewTextFrame(json))}
}
