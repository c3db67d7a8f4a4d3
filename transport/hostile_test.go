//go:build unix

package transport_test

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push"
)

var (
	hostile   = flag.Int("hostile", 400, "how many hostile clients TestHostileLoad has at a time")
	unlimited = flag.Bool("unlimited", false, "TestHostileLoad refuses nobody: what is measured is what the attacks cost")
)

// TestHostileLoad has honest clients on both transports, and beside them four times as
// many that break whatever rule there is, over and over, from a process that has half a
// processor. The honest ones get every message once and in order, while it is published;
// when the others have gone, nothing of them is left. How long a message takes is compared
// with a time in which another process uses as much of a processor for nothing.
func TestHostileLoad(t *testing.T) {
	if *hostile > 1000 {
		raiseLimit(t, *hostile+1000)
	}
	options := push.Options{Logger: slog.New(slog.DiscardHandler)}
	if *unlimited {
		options.Limits = push.Limits{
			Connections: -1, PerUser: -1, PerAddress: -1, Failures: push.Rate{PerSecond: -1}, Requests: push.Rate{PerSecond: -1},
			Sends: push.Rate{PerSecond: -1},
		}
	}
	w := newCrowd(t, options)
	w.follow(100)
	messages := max(100, *hostile/10)
	idle := startAttackers(t, "hog", w.address, 0)
	quiet := w.publish(messages, 10*time.Millisecond)
	idle.stop()

	hostiles := startAttackers(t, "hostile", w.address, *hostile)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var running sync.WaitGroup
	// Big messages are what the stalled readers stall on.
	running.Go(func() {
		big := bytes.Repeat([]byte("x"), 32<<10)
		for ctx.Err() == nil {
			_, _ = w.hub.Publish(ctx, push.Message{Topic: "big", Data: big}) // nobody waits for it
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond): //clock:real messages come at a pace
			}
		}
	})
	w.publish(messages, 10*time.Millisecond) // while they come
	busy := w.publish(2*messages, 10*time.Millisecond)
	stop()
	running.Wait()
	done := hostiles.stop()

	total := int64(0)
	for i, h := range hostilities {
		if done[h.name] == 0 && i < *hostile {
			t.Errorf("%s was never tried", h.name)
		}
		total += done[h.name]
	}
	t.Logf("quiet: %v; beside %d hostile clients, %d requests a second: %v (%.1f × the p99)", quiet, *hostile,
		done["requests"]*int64(time.Second)/max(1, done["time"]), busy, float64(busy.p99)/float64(quiet.p99))
	t.Logf("%d connections, %d writes in %v; of each kind %v", total, done["requests"],
		time.Duration(done["time"]).Round(time.Second), done)
	t.Logf("honest clients came back %d times; sessions ended: %v", w.returns.Load(), w.hub.Stats().Closed)
	w.end()
}

// hostileClients is the process with so many clients, each of one kind.
func hostileClients(ctx context.Context, address string, count int) map[string]int64 {
	if err := setLimit(uint64(count + 1000)); err != nil {
		panic(err)
	}
	begun := time.Now()
	tries := make([]atomic.Int64, len(hostilities))
	told := ctx.Done()
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var running sync.WaitGroup
	running.Go(func() { // ends them when each kind has been tried
		<-told
		for i := range min(len(tries), count) {
			for tries[i].Load() == 0 {
				time.Sleep(10 * time.Millisecond) //clock:real the test is over when all have had their turn
			}
		}
		stop()
	})
	for i := range count {
		running.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 42))
			pause := func(most int) {
				select {
				case <-ctx.Done():
				case <-time.After(time.Duration(r.IntN(most)) * time.Millisecond): //clock:real an attacker rests
				}
			}
			for pause(1000); ctx.Err() == nil; pause(2000) {
				attackPace.wait(ctx)
				attackTurns.wait(ctx)
				attack(ctx, address, i, r)
				tries[i%len(tries)].Add(1)
			}
		})
	}
	running.Wait()
	done := map[string]int64{"requests": attackWrites.Load(), "time": int64(time.Since(begun))} //clock:real only told
	for i, h := range hostilities {
		done[h.name] = tries[i].Load()
	}
	return done
}

var (
	attackPace   pace
	attackWrites atomic.Int64
	attackTurns  = newAttackRate()
)

// raiseLimit makes room for so many descriptors.
func raiseLimit(t *testing.T, need int) {
	t.Helper()
	if err := setLimit(uint64(need)); err != nil {
		t.Logf("%v: some attacks will fail to connect", err)
	}
}

func setLimit(need uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if float64(limit.Cur) < float64(need) { // its type differs from system to system
		return fmt.Errorf("%d descriptors may be open, and %d are needed", limit.Cur, need)
	}
	return nil
}

// hostilities are the kinds of attack. Each has a connection for itself, which is
// closed when it returns, and after some seconds in any case.
var hostilities = []struct {
	name string
	run  func(c net.Conn, r *rand.Rand)
}{
	{"garbage for a request", func(c net.Conn, r *rand.Rand) {
		write(c, junk(r, 4096))
		drain(c)
	}},
	{"a silent connection", func(c net.Conn, _ *rand.Rand) { drain(c) }},
	{"slow headers", func(c net.Conn, _ *rand.Rand) {
		trickle(c, []byte(handshakeTo("/push/ws?topic=h0")), 20*time.Millisecond)
		drain(c)
	}},
	{"half a handshake", func(c net.Conn, r *rand.Rand) {
		request := handshakeTo("/push/ws?topic=h0")
		write(c, []byte(request[:r.IntN(len(request))]+"\r\n\r\n"))
		drain(c)
	}},
	{"malformed frames", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			write(c, junk(r, 2048))
			drain(c)
		}
	}},
	{"garbage for JSON", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			for range 20 {
				write(c, text(`{"type":"`+string(junk(r, 10))))
			}
			drain(c)
		}
	}},
	{"a flood of pings", func(c net.Conn, _ *rand.Rand) {
		if upgrade(c, "h0") {
			write(c, pings)
			drain(c)
		}
	}},
	{"a flood of pings by who doesn't read", func(c net.Conn, _ *rand.Rand) {
		if upgrade(c, "h0") {
			for write(c, pings) {
			}
		}
	}},
	{"subscribe and unsubscribe", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			for i := range 200 {
				write(c, text(fmt.Sprintf(`{"type":"subscribe","id":%d,"topics":[{"topic":"x%d","since":"%d"},{"topic":"h1"}]}`, i, r.IntN(1000), r.Int())))
				write(c, text(`{"type":"unsubscribe","id":1,"topics":["h1"]}`))
			}
			drain(c)
		}
	}},
	{"a thousand topics", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			var topics strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&topics, `,{"topic":"%d-%d"}`, r.IntN(10), i)
			}
			write(c, text(`{"type":"subscribe","id":1,"topics":[`+topics.String()[1:]+`]}`))
			drain(c)
		}
	}},
	{"a stalled WebSocket", func(c net.Conn, _ *rand.Rand) {
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		write(c, []byte(handshakeTo("/push/ws?topic=big&topic=h0")))
		hold(c)
	}},
	{"a stalled event stream", func(c net.Conn, _ *rand.Rand) {
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		write(c, []byte("GET /push/sse?topic=big&topic=h0 HTTP/1.1\r\nHost: x\r\n\r\n"))
		hold(c)
	}},
	{"a reader of one byte", func(c net.Conn, _ *rand.Rand) {
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		write(c, []byte("GET /push/sse?topic=big HTTP/1.1\r\nHost: x\r\n\r\n"))
		for b := make([]byte, 1); ; time.Sleep(20 * time.Millisecond) { //clock:real it reads slowly
			if _, err := c.Read(b); err != nil {
				return
			}
		}
	}},
	{"cursors of garbage", func(c net.Conn, r *rand.Rand) {
		since := url.QueryEscape(string(junk(r, []int{10, 100, 4096, 5000, 60_000}[r.IntN(5)])))
		write(c, []byte("GET /push/sse?topic=h0&since="+since+" HTTP/1.1\r\nHost: x\r\n\r\n"))
		drain(c)
	}},
	{"a cursor of a megabyte", func(c net.Conn, _ *rand.Rand) {
		write(c, []byte("GET /push/sse?topic=h0 HTTP/1.1\r\nHost: x\r\nLast-Event-ID: "+strings.Repeat("1", 1<<20)+"\r\n\r\n"))
		drain(c)
	}},
	{"frames of 2^62 bytes", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			write(c, append([]byte{0x81, 0xFF, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, junk(r, 100)...))
			drain(c)
		}
	}},
	{"deflate bombs", func(c net.Conn, _ *rand.Rand) {
		if upgrade(c, "h0", "Sec-WebSocket-Extensions: permessage-deflate") {
			write(c, frame(0xC1, bomb()))
			drain(c)
		}
	}},
	{"a million fragments", func(c net.Conn, _ *rand.Rand) {
		if upgrade(c, "h0") {
			write(c, frame(0x01, nil))
			for range 100 {
				write(c, fragments)
			}
			drain(c)
		}
	}},
	{"a reconnect storm on WebSockets", func(c net.Conn, _ *rand.Rand) {
		upgrade(c, "h0")
		_ = c.(*net.TCPConn).SetLinger(0)
	}},
	{"a reconnect storm on event streams", func(c net.Conn, _ *rand.Rand) {
		write(c, []byte("GET /push/sse?topic=h0&since=1 HTTP/1.1\r\nHost: x\r\n\r\n"))
		_, _ = c.Read(make([]byte, 100))
		_ = c.(*net.TCPConn).SetLinger(0)
	}},
	{"streams that nobody waits for", func(c net.Conn, _ *rand.Rand) {
		write(c, []byte("GET /push/sse?topic=h0 HTTP/1.1\r\nHost: x\r\n\r\n"))
	}},
	{"half-closed WebSockets", func(c net.Conn, _ *rand.Rand) {
		if upgrade(c, "h0") {
			_ = c.(*net.TCPConn).CloseWrite()
			hold(c)
		}
	}},
	{"half-closed event streams", func(c net.Conn, _ *rand.Rand) {
		write(c, []byte("GET /push/sse?topic=h0 HTTP/1.1\r\nHost: x\r\n\r\n"))
		_ = c.(*net.TCPConn).CloseWrite()
		hold(c)
	}},
	{"slow bodies", func(c net.Conn, _ *rand.Rand) {
		write(c, []byte("POST /push/send?topic=h0 HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n"))
		trickle(c, make([]byte, 10_000), 20*time.Millisecond)
	}},
	{"slow frames", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			trickle(c, frame(0x81, junk(r, 10_000)), 20*time.Millisecond)
		}
	}},
	{"a flood of messages", func(c net.Conn, r *rand.Rand) {
		if upgrade(c, "h0") {
			for i := range 200 {
				write(c, text(fmt.Sprintf(`{"type":"send","id":%d,"topic":"h0","data":"%d"}`, i, r.Int())))
			}
			drain(c)
		}
	}},
	{"publishing without a key", func(c net.Conn, r *rand.Rand) {
		write(c, append([]byte("POST /push/publish?topic=h0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 60000\r\n\r\n"), junk(r, 60_000)...))
		drain(c)
	}},
}

var (
	pings     = bytes.Repeat([]byte{0x89, 0x80, 0, 0, 0, 0}, 10_000)
	fragments = bytes.Repeat([]byte{0, 0x80, 0, 0, 0, 0}, 10_000)
)

// attack makes one attack of the worker's kind, from an address that a few share. It
// ends with ctx.
func attack(ctx context.Context, address string, worker int, r *rand.Rand) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+worker%200))}, Timeout: 5 * time.Second}
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // a closed connection needs none
	hostilities[worker%len(hostilities)].run(c, r)
}

// What attacks are made of. Errors mean that the server has had enough, or that time is
// up: both are fine.

func write(c net.Conn, p []byte) bool {
	attackWrites.Add(1)
	_, err := c.Write(p)
	return err == nil
}

func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// hold keeps a connection, and neither reads nor writes.
func hold(net.Conn) { time.Sleep(3 * time.Second) } //clock:real nothing waits for it

func trickle(c net.Conn, p []byte, pause time.Duration) {
	for i := range p {
		if !write(c, p[i:i+1]) {
			return
		}
		time.Sleep(pause) //clock:real an attacker takes its time
	}
}

func junk(r *rand.Rand, size int) []byte {
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

func handshakeTo(path string, headers ...string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: tidewire.v1\r\n" + strings.Join(append(headers, "\r\n"), "\r\n")
}

func upgrade(c net.Conn, topic string, headers ...string) bool {
	if !write(c, []byte(handshakeTo("/push/ws?topic="+topic, headers...))) {
		return false
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	return err == nil && response.StatusCode == http.StatusSwitchingProtocols
}

// frame is a client's frame, masked with zeros.
func frame(first byte, payload []byte) []byte {
	head := []byte{first, 0x80 | 127}
	head = binary.BigEndian.AppendUint64(head, uint64(len(payload)))
	switch n := len(payload); {
	case n <= 125:
		head = []byte{first, 0x80 | byte(n)}
	case n <= 0xFFFF:
		head = binary.BigEndian.AppendUint16([]byte{first, 0x80 | 126}, uint16(n))
	}
	return append(append(head, 0, 0, 0, 0), payload...)
}

func text(json string) []byte { return frame(0x81, []byte(strings.ToValidUTF8(json, "?"))) }

// bomb is a small message that is large when it is inflated.
var bomb = sync.OnceValue(func() []byte {
	var small bytes.Buffer
	w, err := flate.NewWriter(&small, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(make([]byte, 16<<20))
	}
	if err != nil {
		panic(err)
	}
	_ = w.Flush() // to memory
	return small.Bytes()
})
