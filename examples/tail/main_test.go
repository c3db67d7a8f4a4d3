package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
	"github.com/tidewire/tidewire/transport"
)

func TestMain(m *testing.M) { testaid.Main(m) }

// instance is a server whose HTTP side can be stopped and started on the same address.
type instance struct {
	hub    *push.Hub
	addr   string
	routes http.Handler
	server *http.Server
}

func newInstance(t *testing.T, o membroker.Options) *instance {
	hub := push.New(membroker.New(o), push.Options{
		Authorize: func(_ context.Context, a push.Access) error {
			if a.Topic == "secret" && a.Identity.User != "good" {
				return push.CodeForbidden
			}
			return nil
		},
		Identify: func(r *http.Request) (push.Identity, error) {
			return push.Identity{User: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}, nil
		},
	})
	i := &instance{hub: hub, addr: "127.0.0.1:0", routes: http.StripPrefix("/push", transport.Routes(hub))}
	i.start(t)
	t.Cleanup(func() {
		i.server.Close()
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return i
}

func (i *instance) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", i.addr)
	if err != nil {
		t.Fatal(err)
	}
	i.addr = listener.Addr().String()
	i.server = &http.Server{Handler: i.routes}
	go i.server.Serve(listener)
}

func (i *instance) publish(t *testing.T, topic, text string) {
	t.Helper()
	if _, err := i.hub.Publish(t.Context(), push.Message{Topic: topic, Data: []byte(text)}); err != nil {
		t.Fatal(err)
	}
}

// follower is a run of the program.
type follower struct {
	lines *bufio.Reader
	stop  func() error
}

func (i *instance) tail(t *testing.T, args ...string) *follower {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	reader, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, append([]string{"-url", "http://" + i.addr + "/push"}, args...), stdout)
		stdout.CloseWithError(io.EOF)
		ended <- err
	}()
	f := &follower{lines: bufio.NewReader(reader)}
	f.stop = func() error {
		cancel()
		reader.Close()
		err := <-ended
		ended <- err
		return err
	}
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *follower) want(t *testing.T, want ...string) {
	t.Helper()
	for _, w := range want {
		if got, err := f.lines.ReadString('\n'); got != w+"\n" {
			t.Fatalf("got %q, %v, want %q", got, err, w)
		}
	}
}

// follows waits until so many sessions follow something.
func (i *instance) follows(t *testing.T, topics int) {
	t.Helper()
	testaid.Eventually(t, "a follower", func() bool { return i.hub.Stats().Topics >= topics && i.hub.Stats().Sessions > 0 })
}

func TestTailGoesOnAfterARestart(t *testing.T) {
	i := newInstance(t, membroker.Options{Topics: []push.TopicRule{{Pattern: "short", History: broker.History{Messages: 1}}}})
	file := filepath.Join(t.TempDir(), "cursor")
	f := i.tail(t, "-since", file, "long", "short")
	i.follows(t, 2)
	testaid.Eventually(t, "the cursors of both in the file", func() bool {
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), "long") && strings.Contains(string(text), "short")
	})
	i.publish(t, "long", "one")
	f.want(t, "long one")
	i.publish(t, "short", "one")
	f.want(t, "short one")
	if err := f.stop(); err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		i.publish(t, "long", fmt.Sprint("missed ", n))
	}
	f = i.tail(t, "-since", file, "long")
	f.want(t, "long missed 0", "long missed 1", "long missed 2")
	i.publish(t, "long", "live")
	f.want(t, "long live")
	f.stop()

	for n := range 3 {
		i.publish(t, "short", fmt.Sprint("missed ", n))
	}
	f = i.tail(t, "-since", file, "short")
	f.want(t, "short gap: messages were missed (trimmed)")
	i.publish(t, "short", "live")
	f.want(t, "short live")
}

func TestTailSurvivesARestartOfTheServer(t *testing.T) {
	i := newInstance(t, membroker.Options{})
	f := i.tail(t, "-json", "-token", "good", "a")
	i.follows(t, 1)
	i.publish(t, "a", "one")
	f.want(t, `{"topic":"a","offset":1,"data":"one"}`)
	i.server.Close()
	// It doesn't close WebSockets, so they are asked to reconnect.
	if err := i.hub.Disconnect(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	i.publish(t, "a", "two")
	i.start(t)
	f.want(t, `{"topic":"a","offset":2,"data":"two"}`)
}

func TestTailShowsAState(t *testing.T) {
	i := newInstance(t, membroker.Options{Topics: []push.TopicRule{{Pattern: "prices", State: true}}})
	set := func(key, json string) {
		t.Helper()
		if _, err := i.hub.Set(t.Context(), push.Message{Topic: "prices", Key: key, Data: []byte(json), Encoding: push.EncodingJSON}); err != nil {
			t.Fatal(err)
		}
	}
	set("ACME", "1.50")
	f := i.tail(t, "-state", "prices")
	f.want(t, "prices ACME 1.50")
	set("XYZ", `{"px":2}`)
	f.want(t, `prices XYZ {"px":2}`)
	if _, err := i.hub.Delete(t.Context(), push.Message{Topic: "prices", Key: "ACME"}); err != nil {
		t.Fatal(err)
	}
	f.want(t, "prices ACME deleted")
	f.stop()
	f = i.tail(t, "-state", "-json", "prices")
	f.want(t, `{"topic":"prices","key":"XYZ","data":{"px":2}}`)
}

func TestTailSignsIn(t *testing.T) {
	i := newInstance(t, membroker.Options{})
	i.publish(t, "secret", "before")
	f := i.tail(t, "-recent", "5", "-token", "good", "secret")
	f.want(t, "secret before")
	refused := i.tail(t, "secret")
	if rest, err := io.ReadAll(refused.lines); len(rest) > 0 || err != nil {
		t.Errorf("read %q, %v", rest, err)
	}
	if err := refused.stop(); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("ended with %v", err)
	}
	for _, args := range [][]string{nil, {"-state", "-since", "x", "a"}, {"-since", t.TempDir(), "a"}} {
		if err := run(t.Context(), args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

func TestLines(t *testing.T) {
	hostile := line{Topic: "a", Event: "e", Key: "k", text: "one\ntwo\x1b[2J\u202e\ttab"}
	if got, want := (&printer{}).format(hostile), `a [e] k one\ntwo\x1b[2J\u202e`+"\ttab"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (&printer{color: true}).format(line{Topic: "a", Gap: "epoch"}); !strings.Contains(got, "\x1b[1;31mgap: messages were missed (epoch)\x1b[0m") {
		t.Errorf("got %q", got)
	}
	binary := line{Topic: "a"}
	binary.setData([]byte{1, 2}, push.EncodingBinary)
	var got struct{ Encoding, Data string }
	if err := json.Unmarshal([]byte((&printer{json: true}).format(binary)), &got); err != nil || got.Encoding != "base64" || got.Data != "AQI=" {
		t.Errorf("got %v, %v", got, err)
	}
	t.Setenv("NO_COLOR", "1")
	if newPrinter(os.Stdout, false).color || newPrinter(io.Discard, false).color {
		t.Error("there is colour")
	}
}
