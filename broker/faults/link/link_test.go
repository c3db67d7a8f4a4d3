package link_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker/faults/link"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

const (
	patience = 10 * time.Second
	moment   = 200 * time.Millisecond // in which what must not come would come
)

// echo is a server that sends back each line, and tells what it got.
func echo(t *testing.T) (addr string, got chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	got = make(chan string, 100)
	go func() { // until the listener is closed
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // until the link closes the connection
				defer c.Close()
				for lines := bufio.NewScanner(c); lines.Scan(); {
					got <- lines.Text()
					io.WriteString(c, lines.Text()+"\n")
				}
			}()
		}
	}()
	return listener.Addr().String(), got
}

func open(t *testing.T) (*link.Link, chan string) {
	t.Helper()
	addr, got := echo(t)
	l, err := link.New(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l, got
}

func dial(t *testing.T, l *link.Link) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// ask sends a line and gives the answer.
func ask(t *testing.T, c net.Conn, line string, wait time.Duration) (string, error) {
	t.Helper()
	c.SetDeadline(time.Now().Add(wait))
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return "", err
	}
	return bufio.NewReader(c).ReadString('\n')
}

func works(t *testing.T, l *link.Link) {
	t.Helper()
	if answer, err := ask(t, dial(t, l), "works", patience); err != nil || answer != "works\n" {
		t.Errorf("got %q, %v", answer, err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDownRefuses(t *testing.T) {
	l, _ := open(t)
	c := dial(t, l)
	works(t, l)
	l.Down()
	if _, err := ask(t, c, "x", patience); err == nil {
		t.Error("an answer over a connection that was cut")
	}
	if c, err := net.Dial("tcp", l.Addr()); err == nil {
		c.Close()
		t.Error("a link that is down takes connections")
	}
	check(t, l.Up())
	check(t, l.Up())
	works(t, l)
}

func TestToLeadsElsewhere(t *testing.T) {
	l, first := open(t)
	addr, second := echo(t)
	c := dial(t, l)
	check(t, l.To(addr))
	if _, err := ask(t, c, "x", patience); err == nil {
		t.Error("an answer over a connection that was cut")
	}
	works(t, l)
	if len(first) != 0 || len(second) != 1 {
		t.Errorf("%d lines came to the first, %d to the second", len(first), len(second))
	}
}

func TestResetLosesTheAnswerOnly(t *testing.T) {
	l, got := open(t)
	old := dial(t, l)
	if _, err := ask(t, old, "before", patience); err != nil {
		t.Fatal(err)
	}
	<-got
	check(t, l.Reset())
	for _, c := range []net.Conn{old, dial(t, l)} {
		if answer, err := ask(t, c, "lost", patience); err == nil {
			t.Errorf("got %q", answer)
		}
		if line := <-got; line != "lost" {
			t.Errorf("the server got %q", line)
		}
	}
	check(t, l.Heal())
	works(t, l)
}

func TestStallKeepsConnectionsAndLosesAll(t *testing.T) {
	l, got := open(t)
	c := dial(t, l)
	check(t, l.Stall())
	_, err := ask(t, c, "x", moment)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
	select {
	case line := <-got:
		t.Errorf("the server got %q", line)
	default:
	}
	check(t, l.Heal())
	works(t, l)
}

func TestMuteLosesAnswers(t *testing.T) {
	l, got := open(t)
	c := dial(t, l)
	check(t, l.Mute())
	_, err := ask(t, c, "x", moment)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want a timeout", err)
	}
	if line := <-got; line != "x" {
		t.Errorf("the server got %q", line)
	}
	check(t, l.Heal())
	works(t, l)
}

func TestLatencyDelays(t *testing.T) {
	l, _ := open(t)
	c := dial(t, l)
	check(t, l.Latency(time.Second, 0))
	check(t, l.Latency(moment, 0))
	begin := time.Now()
	if _, err := ask(t, c, "x", patience); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < moment { //clock:real a latency is of the real clock
		t.Errorf("the answer took %v", took)
	}
	check(t, l.Heal())
}
