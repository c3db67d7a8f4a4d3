package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestCloseWithAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go func() {
			if got := p.Next(); got != "close 4000" {
				t.Errorf("peer got %q", got)
			}
			// The peer had been busy: its messages are dropped on the way.
			p.Write(join(part(opText, "hel"), fin(opPing, "x"), fin(opContinuation, "lo"), closeFrame(4000, "")))
		}()
		if err := c.Close(4000, "bye"); err != nil {
			t.Error(err)
		}
		wantErr(t, c.Close(1000, ""), net.ErrClosed)
		wantErr(t, c.WriteClose(1000, ""), net.ErrClosed)
		wantErr(t, c.Write(t.Context(), Text, nil), net.ErrClosed)
		wantErr(t, c.Ping(t.Context()), net.ErrClosed)
		_, _, err := c.Read(t.Context())
		wantErr(t, err, net.ErrClosed)
		<-c.Done()
	})
}

func TestCloseWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		read := make(chan error)
		go func() {
			_, _, err := c.Read(t.Context())
			read <- err
		}()
		go func() {
			p.Next()
			p.Write(closeFrame(1001, "me too"))
		}()
		synctest.Wait()
		closed := make(chan error)
		go func() { closed <- c.Close(1000, "") }()
		err := <-read
		if CloseStatus(err) != 1001 {
			t.Errorf("Read returned %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
}

// B36: a peer that doesn't answer, whatever it does instead, is dropped in time.
func TestCloseWithoutAnswer(t *testing.T) {
	for name, peerDoes := range map[string]func(p *peer){
		"silent":            func(p *peer) { io.Copy(io.Discard, p.Buffer) },
		"doesn't read":      func(p *peer) {},
		"goes on sending":   func(p *peer) { go io.Copy(io.Discard, p.Buffer); flood(p, fin(opText, "more")) },
		"goes on pinging":   func(p *peer) { go io.Copy(io.Discard, p.Buffer); flood(p, fin(opPing, "more")) },
		"stays in a header": func(p *peer) { go io.Copy(io.Discard, p.Buffer); p.Write([]byte{0x82}) },
	} {
		for _, reading := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, p := pipe(t, nil, deflateParams{})
					var peer sync.WaitGroup
					peer.Go(func() { peerDoes(p) })
					readerDone := make(chan struct{})
					go func() {
						defer close(readerDone)
						for err := error(nil); reading && err == nil; {
							_, _, err = c.Read(context.Background())
						}
					}()
					start := time.Now()
					err := c.Close(1000, "")
					if took := time.Since(start); took != 5*time.Second {
						t.Errorf("took %v", took)
					}
					wantErr(t, err, os.ErrDeadlineExceeded)
					<-readerDone
					p.Close()
					peer.Wait()
				})
			})
		}
	}
}

func flood(p *peer, frame []byte) {
	for {
		if _, err := p.Write(frame); err != nil {
			return
		}
		time.Sleep(time.Millisecond) //clock:virtual
	}
}

func TestCloseWithUnusableArguments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		got := make(chan string, 1)
		go func() {
			got <- p.Next()
			p.Write(closeFrame(1011, ""))
		}()
		if err := c.WriteClose(1006, ""); err == nil {
			t.Error("1006 was sent")
		}
		if err := c.Close(1015, ""); err == nil {
			t.Error("1015 was sent")
		}
		if got := <-got; got != "close 1011" {
			t.Error(got)
		}
	})
}

func TestCloseReasonIsCut(t *testing.T) {
	payload, err := closePayload(1000, strings.Repeat("€", 50))
	if err != nil || string(payload[2:]) != strings.Repeat("€", 41) {
		t.Errorf("%q, %v", payload, err)
	}
	payload, err = closePayload(1000, "a\xffb")
	if err != nil || string(payload[2:]) != "a\uFFFDb" {
		t.Errorf("%q, %v", payload, err)
	}
	if payload, err = closePayload(StatusNone, "nobody reads this"); err != nil || len(payload) != 0 {
		t.Errorf("%q, %v", payload, err)
	}
}

func TestWriteCloseBesideRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go func() {
			p.Next()
			p.Write(join(fin(opText, "last words"), closeFrame(4401, "")))
		}()
		go func() {
			if err := c.WriteClose(4401, "expired"); err != nil {
				t.Error(err)
			}
			wantErr(t, c.Write(context.Background(), Text, nil), net.ErrClosed)
			wantErr(t, c.WriteFrames([][]byte{AppendFrame(nil, Text, nil)}), net.ErrClosed)
		}()
		_, data, err := c.Read(t.Context())
		if string(data) != "last words" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
		_, _, err = c.Read(t.Context())
		if CloseStatus(err) != 4401 {
			t.Error(err)
		}
		<-c.Done()
	})
}

func TestNothingIsReadAfterCloseNow(t *testing.T) {
	c, p := pipe(t, nil, deflateParams{})
	go p.Write(join(fin(opText, "one"), fin(opText, "two")))
	if _, data, err := c.Read(t.Context()); string(data) != "one" || err != nil {
		t.Fatalf("%q, %v", data, err)
	}
	c.CloseNow()
	_, _, err := c.Read(t.Context()) // though it is there
	wantErr(t, err, net.ErrClosed)
	wantErr(t, c.Close(1000, ""), net.ErrClosed)
}

// After a wait that was given up, the connection can still say why.
func TestReadDeadlineThenClose(t *testing.T) {
	for name, sent := range map[string][]byte{
		"nothing sent": {}, "half a header": {0x81}, "half a message": fin(opText, "hello")[:8], "a fragment": part(opText, "hel"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := pipe(t, nil, deflateParams{})
				go func() {
					p.Write(sent)
					if got := p.Next(); got != "close 4408" {
						t.Errorf("peer got %q", got)
					}
					whole := fin(opText, "hello")
					if name == "half a header" || name == "half a message" {
						p.Write(whole[len(sent):])
					}
					p.Write(closeFrame(4408, ""))
				}()
				start := time.Now()
				c.SetReadDeadline(start.Add(3 * time.Second))
				_, _, err := c.Read(t.Context())
				wantErr(t, err, os.ErrDeadlineExceeded)
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("Read took %v", took)
				}
				if err := c.Close(4408, "too slow"); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestReadGoesOnAfterDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		whole := fin(opText, "hello")
		c.SetReadDeadline(time.Now().Add(time.Second))
		go p.Write(whole[:3]) // in the middle of the header
		_, _, err := c.Read(t.Context())
		wantErr(t, err, os.ErrDeadlineExceeded)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.SetReadDeadline(time.Time{})
		_, _, err = c.Read(ctx)
		wantErr(t, err, context.DeadlineExceeded)

		go p.Write(whole[3:])
		if _, data, err := c.Read(t.Context()); string(data) != "hello" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
	})
}

func TestDeadlineSetDuringRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go p.Write(part(opText, "hel"))
		_, r, err := c.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Hour, func() { c.SetReadDeadline(time.Now().Add(time.Minute)) })
		start := time.Now()
		_, err = io.ReadAll(r)
		wantErr(t, err, os.ErrDeadlineExceeded)
		if took := time.Since(start); took != time.Hour+time.Minute {
			t.Errorf("took %v", took)
		}
		_, again := r.Read(make([]byte, 1))
		wantErr(t, again, os.ErrDeadlineExceeded)
		_, _, again = c.Read(t.Context())
		wantErr(t, again, os.ErrDeadlineExceeded)
	})
}

func TestReadGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Minute, func() { cancel(cause) })
		_, _, err := c.Read(ctx)
		wantErr(t, err, cause)
		_, _, err = c.Read(ctx) // already over
		wantErr(t, err, cause)
		go p.Write(fin(opText, "hello"))
		if _, data, err := c.Read(t.Context()); string(data) != "hello" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
	})
}

func TestBrokenConnection(t *testing.T) {
	for name, sent := range map[string][]byte{
		"between messages": {}, "in a header": {0x81}, "in a payload": fin(opText, "hello")[:9], "between fragments": part(opText, "hel"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := pipe(t, nil, deflateParams{})
				go func() { p.Write(sent); p.Close() }()
				_, _, err := c.Read(t.Context())
				wantErr(t, err, io.ErrUnexpectedEOF)
				if CloseStatus(err) != -1 {
					t.Error("counts as closed properly")
				}
				<-c.Done()
				_, _, again := c.Read(t.Context())
				wantErr(t, again, io.ErrUnexpectedEOF)
			})
		})
	}
}

// A peer that broke the protocol gets its close frame, and no more than
// CloseTimeout to close its side.
func TestRefusedPeerThatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		c.net = halfClosing{c.net}
		got := make(chan string, 1)
		var peer sync.WaitGroup
		peer.Go(func() {
			p.Write([]byte{0xFF})
			got <- p.Next()
			flood(p, []byte("never mind"))
		})
		start := time.Now()
		_, _, err := c.Read(t.Context())
		var broken *ProtocolError
		if !errors.As(err, &broken) || broken.Code != StatusProtocolError {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v", took)
		}
		if got := <-got; got != "close 1002" {
			t.Error(got)
		}
		p.Close()
		peer.Wait()
	})
}

// halfClosing makes a connection look like TCP.
type halfClosing struct{ net.Conn }

func (halfClosing) CloseWrite() error { return nil }

func TestRefusedPeerThatStaysQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go func() {
			p.Write([]byte{0xFF})
			io.Copy(io.Discard, p.Buffer)
		}()
		start := time.Now()
		c.Read(t.Context())
		if took := time.Since(start); took != quietTime {
			t.Errorf("took %v", took)
		}
	})
}
