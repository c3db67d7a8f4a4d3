package websocket

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var takeoverBothWays = deflateParams{on: true, sendTakeover: true, receiveTakeover: true, sendBits: 15}

// TestWriteThatWaitedInVainLeavesNothing: what was never sent must not be referred to
// by the messages after it.
func TestWriteThatWaitedInVainLeavesNothing(t *testing.T) {
	for name, write := range map[string]func(ctx context.Context, c *Conn, data []byte) error{
		"Write": func(ctx context.Context, c *Conn, data []byte) error { return c.Write(ctx, Binary, data) },
		"Writer": func(ctx context.Context, c *Conn, data []byte) error {
			w, err := c.Writer(ctx, Binary)
			if err != nil {
				return err
			}
			w.Write(data)
			return w.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := pipe(t, nil, takeoverBothWays)
				data := bytes.Repeat(noise(1000), 2)
				go c.WritePing(nil) // the peer doesn't take it yet
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				wantErr(t, write(ctx, c, data), context.DeadlineExceeded)
				if got := p.Next(); got != "ping" {
					t.Fatal(got)
				}
				go c.Write(t.Context(), Binary, data)
				payload, compressed := p.message(t)
				var window []byte
				if compressed {
					payload = windowedInflate(t, &window, payload)
				}
				if !bytes.Equal(payload, data) {
					t.Errorf("%d bytes came as %d", len(data), len(payload))
				}
			})
		})
	}
}

// TestStreamThatWaitedInVainLeavesTheConnection: no part of the message has been sent,
// so nobody else is concerned.
func TestStreamThatWaitedInVainLeavesTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		go c.WritePing(nil)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w, err := c.Writer(ctx, Binary)
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Write(make([]byte, 2*writeBufferSize))
		wantErr(t, err, context.DeadlineExceeded)
		wantErr(t, w.Close(), context.DeadlineExceeded)
		go c.Write(t.Context(), Text, []byte("after"))
		for _, want := range []string{"ping", "text after"} {
			if got := p.Next(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
	})
}

// TestCloseOvertakesAMessage in parts: the message fails, and the handshake goes on.
func TestCloseOvertakesAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := pipe(t, nil, deflateParams{})
		w, err := c.Writer(t.Context(), Binary)
		if err != nil {
			t.Fatal(err)
		}
		go w.Write(make([]byte, writeBufferSize))
		if got := p.Next(); got != "part binary 16374 bytes" {
			t.Fatal(got)
		}
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- c.Close(StatusGoingAway, "") }()
		if got := p.Next(); got != "close 1001" {
			t.Fatal(got)
		}
		if err := w.Close(); err == nil {
			t.Error("the message was ended after the close frame")
		}
		p.Write(closeFrame(StatusGoingAway, ""))
		if err := <-closed; err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// FuzzWritersThatGiveUp has many write to a peer that reads now and then, each for no
// longer than its context. Whatever fails, and wherever: what arrives are the messages
// whose writes have succeeded, each whole and once.
func FuzzWritersThatGiveUp(f *testing.F) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		script := make([]byte, 60)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, deflate := range []deflateParams{{}, {on: true, sendBits: 15}, takeoverBothWays} {
			synctest.Test(t, func(t *testing.T) { giveUp(t, deflate, script[:min(len(script), 300)]) })
		}
	})
}

// giveUp reads from a script, three bytes at a time, what a writer does and for how
// long, and how long the peer pauses.
func giveUp(t *testing.T, deflate deflateParams, script []byte) {
	c, p := pipe(t, nil, deflate)
	text := noise(60_000)
	pauses := make(chan time.Duration, len(script))
	messages := map[string]bool{} // and whether each was written
	var mu sync.Mutex             // guards messages
	var writers sync.WaitGroup
	writers.Go(func() {
		for i := 0; i+2 < len(script); i += 3 {
			pause, patience, from := script[i], script[i+1], int(script[i+2])*32
			time.Sleep(time.Duration(pause) * 4 * time.Millisecond) //clock:virtual
			piece := string(text[from : from+(1+int(pause))*75])
			message := string(binary.BigEndian.AppendUint16(nil, uint16(i))) + piece + piece // so that it gets smaller
			writers.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+int(patience))*10*time.Millisecond)
				defer cancel()
				if written := writeSomehow(ctx, c, patience%8, message); written {
					mu.Lock()
					defer mu.Unlock()
					messages[message] = true
				}
			})
			pauses <- time.Duration(script[i+2]%64) * 25 * time.Millisecond
		}
	})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		writers.Wait()
		c.CloseNow()
	}()
	got := takeMessages(t, p, deflate.sendTakeover, pauses)
	<-ended
	for _, message := range got {
		if !messages[message] {
			t.Errorf("message %x of %d bytes came, which wasn't written or has come before", message[:2], len(message))
		}
		delete(messages, message)
	}
	for message := range messages {
		t.Errorf("message %x of %d bytes was written and didn't come", message[:2], len(message))
	}
}

// writeSomehow reports whether a message was written. A ping is none.
func writeSomehow(ctx context.Context, c *Conn, how byte, message string) bool {
	switch how {
	case 0, 1, 2:
		return c.Write(ctx, Binary, []byte(message)) == nil
	case 3, 4:
		w, err := c.Writer(ctx, Binary)
		if err != nil {
			return false
		}
		_, _ = io.WriteString(w, message) // Close gives the same error
		return w.Close() == nil
	case 5:
		return c.WriteFrames([][]byte{AppendFrame(nil, Binary, []byte(message))}) == nil
	default:
		_ = c.WritePing([]byte(message[:10])) // may fail
		return false
	}
}

// takeMessages reads whole messages until the end of the connection, and pauses before
// each frame.
func takeMessages(t *testing.T, p *peer, takeover bool, pauses <-chan time.Duration) (messages []string) {
	var payload, window []byte
	compressed := false
	for {
		select {
		case pause := <-pauses:
			time.Sleep(pause) //clock:virtual
		default:
		}
		first, piece, err := p.Frame()
		if err != nil {
			return messages
		}
		op := opcode(first & 0xF)
		if op.isControl() {
			continue
		}
		if op != opContinuation {
			payload, compressed = nil, first&bitRSV1 != 0
		}
		payload = append(payload, piece...)
		if first&bitFin == 0 {
			continue
		}
		if compressed {
			if !takeover {
				window = nil
			}
			payload = windowedInflate(t, &window, payload)
		}
		messages = append(messages, string(payload))
	}
}
