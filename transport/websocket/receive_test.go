package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/transport/internal/rawclient"
)

// recorder is a Handler that notes its calls.
type recorder struct {
	calls chan string // of Message, Pong and Ended

	last string // the message after which nothing is to be received

	frames   int // how many frames came
	most     int // how many may
	held     int
	capacity int // how much may be held
	peak     int
}

var (
	errTooMany = errors.New("too many frames")
	errNoRoom  = errors.New("no room")
)

func newRecorder() *recorder {
	return &recorder{calls: make(chan string, 100), most: 1 << 30, capacity: 1 << 30}
}

func (r *recorder) Message(typ MessageType, data []byte) bool {
	if len(data) > 100 {
		r.calls <- fmt.Sprintf("%v %d bytes", typ, len(data))
		return true
	}
	r.calls <- fmt.Sprintf("%v %s", typ, data)
	return string(data) != r.last
}

func (r *recorder) Ended(err error) {
	switch {
	case err == nil:
		r.calls <- "ended"
	case errors.Is(err, errTooMany), errors.Is(err, errNoRoom):
		r.calls <- "ended by the handler"
	case CloseStatus(err) > 0:
		r.calls <- fmt.Sprint("ended by ", int(CloseStatus(err)))
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.ErrClosedPipe):
		r.calls <- "ended by the connection"
	default:
		r.calls <- "ended: " + err.Error()
	}
	close(r.calls)
}

func (r *recorder) Frame() error {
	if r.frames++; r.frames > r.most {
		return errTooMany
	}
	return nil
}

func (r *recorder) Hold(bytes int) error {
	if bytes > 0 && r.held+bytes > r.capacity {
		return errNoRoom
	}
	r.held += bytes
	r.peak = max(r.peak, r.held)
	return nil
}

func (r *recorder) Pong() { r.calls <- "pong" }

// all waits for the end and gives all calls.
func (r *recorder) all() (calls []string) {
	for call := range r.calls {
		calls = append(calls, call)
	}
	return calls
}

func TestReceive(t *testing.T) {
	big := string(noise(20_000))
	tests := []struct {
		name  string
		setup func(*recorder)
		send  []byte
		want  []string
		peak  int // of what is held, at least
	}{
		{"messages", nil, join(fin(opText, "a"), part(opBinary, "b"), fin(opContinuation, "c"), closeFrame(4000, "")),
			[]string{"text a", "binary bc", "ended by 4000"}, 0},
		{"pongs, but not within a message", nil, join(fin(opPong, ""), part(opText, "a"), fin(opPong, ""), fin(opContinuation, "b"), fin(opPong, "x"), closeFrame(1000, "")),
			[]string{"pong", "text ab", "pong", "ended by 1000"}, 0},
		{"until it is enough", func(r *recorder) { r.last = "b" }, join(fin(opText, "a"), fin(opText, "b"), fin(opText, "c")),
			[]string{"text a", "text b", "ended"}, 0},
		{"frames of every kind count", func(r *recorder) { r.most = 4 }, join(fin(opPing, ""), part(opText, "a"), fin(opContinuation, ""), fin(opPong, ""), fin(opText, "b")),
			[]string{"text a", "pong", "ended by the handler"}, 0},
		{"large messages are held", nil, join(fin(opBinary, big), fin(opBinary, big), closeFrame(1000, "")),
			[]string{"binary 20000 bytes", "binary 20000 bytes", "ended by 1000"}, 20_000},
		{"small ones aren't", func(r *recorder) { r.capacity = 0 }, join(fin(opText, "a"), fin(opBinary, big)),
			[]string{"text a", "ended by the handler"}, 0},
		{"what is wrong", nil, fin(opText, "\xff"), []string{"ended: websocket: read: peer refused with status 1007: text not UTF-8"}, 0},
	}
	for _, tt := range tests {
		for _, way := range []string{"with the handshake", "byte by byte", "in memory"} {
			t.Run(tt.name+" "+way, func(t *testing.T) {
				r := newRecorder()
				if tt.setup != nil {
					tt.setup(r)
				}
				receiveAll(t, r, way, tt.send)
				if got := r.all(); !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if r.peak < tt.peak || r.peak > 5*tt.peak {
					t.Errorf("%d bytes were held, want %d or a little more", r.peak, tt.peak)
				}
				if last := tt.want[len(tt.want)-1]; r.held != 0 && !strings.Contains(last, "handler") {
					t.Errorf("%d bytes are held for nothing", r.held)
				}
			})
		}
	}
}

// receiveAll has r receive what a client sends in some way.
func receiveAll(t *testing.T, r *recorder, way string, send []byte) {
	t.Helper()
	if way == "in memory" { // where a goroutine waits
		c, p := pipe(t, nil, deflateParams{})
		c.Receive(r)
		go io.Copy(io.Discard, p.Buffer)
		go p.Write(send)
		return
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if c, err := Accept(w, req, nil); err == nil {
			t.Cleanup(func() { c.CloseNow() })
			c.Receive(r)
		}
	}))
	t.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	defer func() {
		go func() {
			io.Copy(io.Discard, conn)
			conn.Close() // as the server does
		}()
	}()
	request := []byte(handshake(getLine))
	if way == "with the handshake" {
		conn.Write(append(request, send...))
		return
	}
	conn.Write(request)
	for piece := range slices.Chunk(send, max(1, len(send)/1000)) {
		conn.Write(piece)
	}
}

// TestReceiveEndsWithTheConnection, from our side.
func TestReceiveEndsWithTheConnection(t *testing.T) {
	for _, way := range []string{"with the handshake", "in memory"} {
		r := newRecorder()
		var c *Conn
		if way == "in memory" {
			c, _ = pipe(t, nil, deflateParams{})
			c.Receive(r)
		} else {
			accepted := make(chan *Conn, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				c, err := Accept(w, req, nil)
				if err != nil {
					t.Error(err)
				}
				accepted <- c
			}))
			defer server.Close()
			defer dialRaw(t, server).Close()
			c = <-accepted
			c.Receive(r)
		}
		c.CloseNow()
		if got := r.all(); !slices.Equal(got, []string{"ended by the connection"}) {
			t.Errorf("%s: got %q", way, got)
		}
	}
}

// TestReceiveOnAClient works as on a server.
func TestReceiveOnAClient(t *testing.T) {
	server := serve(t, nil, func(c *Conn) { echoWhole(c) })
	c := dialServer(t, server, nil)
	r := newRecorder()
	r.last = "b"
	c.Receive(r)
	for _, message := range []string{"a", "b"} {
		if err := c.Write(t.Context(), Text, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := r.all(), []string{"text a", "text b", "ended"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReceiveWhileClosing: a Close that has begun to read is waited for.
func TestReceiveWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := newConn(near, nil, "", deflateParams{}, (*AcceptOptions)(nil).withDefaults().settings())
		closed := make(chan error, 1)
		go func() { closed <- c.Close(StatusGoingAway, "") }()
		p := rawclient.New(far)
		if got := p.Next(); got != "close 1001" {
			t.Fatal(got)
		}
		synctest.Wait()
		r := newRecorder()
		c.Receive(r)
		synctest.Wait()
		p.Write(closeFrame(StatusGoingAway, ""))
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if got := r.all(); len(got) != 1 || !strings.HasPrefix(got[0], "ended") {
			t.Errorf("got %q", got)
		}
	})
}
