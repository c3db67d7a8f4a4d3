package transporttest

import (
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// known makes every client a user whose identity is good for a time.
func known(d time.Duration) func(r *http.Request) (push.Identity, error) {
	return func(*http.Request) (push.Identity, error) {
		return push.Identity{User: "eve", Expires: time.Now().Add(d)}, nil
	}
}

// wantLast fails unless a client gets this frame, and then the end.
func (s *site) wantLast(c *Client, typ string, code push.Code) {
	s.t.Helper()
	if f := s.next(c); f.Type != typ || f.Code != string(code) {
		s.t.Errorf("got %+v, want %s %s", f, typ, code)
	}
	if f, err := c.Next(); err == nil {
		s.t.Errorf("after the end came %+v", f)
	}
}

func (s *site) revoke(r push.Revocation) {
	s.t.Helper()
	if err := s.hub.Revoke(s.t.Context(), r); err != nil {
		s.t.Fatal(err)
	}
}

func testRevokedUser(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Identify: known(time.Hour)})
	c := s.connect([]string{"a"}, "")
	s.publish("a", "before")
	s.wantData(c, "before")
	s.revoke(push.Revocation{User: "eve"})
	s.publish("a", "after")
	s.wantLast(c, protocol.TypeError, push.CodeForbidden)
	s.wantRefusal([]string{"a"}, push.CodeForbidden)
	if n := s.hub.Stats().Closed[push.CodeForbidden]; n != 1 && !h.Polls {
		t.Errorf("%d sessions ended as forbidden", n)
	}
}

func testRevokedTopic(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Identify: known(time.Hour)})
	c := s.connect([]string{"a", "b"}, "")
	s.publish("b", "1")
	s.wantData(c, "1")
	s.revoke(push.Revocation{Topic: "a"})
	s.publish("a", "after")
	s.publish("b", "2")
	s.wantLast(c, protocol.TypeReconnect, "")
	again, err := s.tryConnect([]string{"a", "b"}, c.Cursor)
	if err != nil {
		t.Fatal(err)
	}
	f := s.next(again)
	if len(f.Topics) != 2 || f.Topics[0].Error == nil || f.Topics[0].Error.Code != "forbidden" || f.Topics[1].Error != nil {
		t.Fatalf("welcome is %+v", f)
	}
	s.wantData(again, "2")
}

// testWelcomeExpires has an identity that expires in an hour, and one that never does.
func testWelcomeExpires(t *testing.T, h Harness) {
	welcome := func(identify func(*http.Request) (push.Identity, error)) Frame {
		s := open(t, h, push.Options{Identify: identify})
		c, err := s.tryConnect([]string{"a"}, "")
		if err != nil {
			t.Fatal(err)
		}
		return s.next(c)
	}
	if f := welcome(known(time.Hour)); f.Expires == nil || *f.Expires > 3600 || *f.Expires < 3600-int64(patience/time.Second) {
		t.Errorf("the identity expires in an hour, and the welcome is %+v", f)
	}
	if f := welcome(nil); f.Expires != nil {
		t.Errorf("the identity never expires, and the welcome says in %d seconds", *f.Expires)
	}
}

// testRefresh has two clients that get new identities: one that lasts, and one that has
// a second of its grace left.
func testRefresh(t *testing.T, h Harness) {
	s := open(t, h, push.Options{Identify: known(time.Hour)})
	refreshed := func(d time.Duration) *Client {
		c, err := s.tryConnect([]string{"a"}, "")
		if err != nil {
			t.Fatal(err)
		}
		id := push.Identity{User: "eve", Expires: time.Now().Add(d)}
		if done, err := session.Of(s.hub).Refresh(t.Context(), s.next(c).Session, id); err != nil || !done {
			t.Fatal(done, err)
		}
		return c
	}
	long, short := refreshed(2*time.Hour), refreshed(-9*time.Second)
	s.wantLast(short, protocol.TypeError, push.CodeUnauthenticated)
	s.publish("a", "1")
	s.wantData(long, "1")
}
