package transport_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

// TestNothingSecretIsLogged puts a mark into everything that a client can send, and
// makes as much go wrong as it can. What it sent is in no log of ours, and in none of
// net/http's. Topics may be: they are the names of things, are checked before, and are
// quoted.
func TestNothingSecretIsLogged(t *testing.T) {
	const mark = "S3CR3T"
	var log testaid.Log
	hub, server := hardened(t, push.Options{
		Logger: slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Identify: func(r *http.Request) (push.Identity, error) {
			switch r.Header.Get("User-Agent") {
			case "nobody" + mark:
				return push.Identity{}, errors.New("nobody knows them")
			case "panic" + mark:
				panic("a mistake in the application")
			}
			return push.Identity{User: "user-" + mark, Claims: r.Header.Get("Authorization")}, nil
		},
		Authorize: func(_ context.Context, a push.Access) error {
			switch a.Topic {
			case "refused":
				return errors.New("not for them")
			case "panic":
				panic("a mistake in the application")
			}
			return nil
		},
		Receive: func(_ context.Context, in push.Inbound) (push.Reply, error) {
			switch in.Topic {
			case "failing":
				return push.Reply{}, errors.New("can't be stored")
			case "panicking":
				panic("a mistake in the application")
			}
			return push.Reply{}, nil
		},
	})
	server.Config.ErrorLog = slog.NewLogLogger(slog.NewJSONHandler(&log, nil), slog.LevelError)
	server.EnableHTTP2 = true
	server.StartTLS()

	evil := mark + "\x1b[31m\r\n\tforged line" // what a frame can hold
	headers := func(agent string) string {
		return "Host: x\r\nUser-Agent: " + agent + mark + "\r\nOrigin: https://x\r\nReferer: https://x/" + mark + "\r\nAuthorization: Bearer " + mark +
			"\r\nCookie: session=" + mark + "\r\nX-Forwarded-For: " + mark + "\r\nLast-Event-ID: " + mark + "\r\n"
	}
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" +
		"Sec-WebSocket-Protocol: tidewire.v1\r\nSec-WebSocket-Extensions: " + mark + "\r\n"
	quoted := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var frames []byte
	for _, f := range []string{
		`{"type":"subscribe","id":1,"topics":[{"topic":"refused","since":` + quoted(evil) + `},{"topic":"panic"}]}`,
		`{"type":"subscribe","id":1,"topics":[{"topic":` + quoted(evil) + `}]}`,
		`{"type":"send","id":1,"topic":"failing","event":"` + mark + `","message":"` + mark + `","data":` + quoted(evil) + `}`,
		`{"type":"send","id":1,"topic":"panicking","data":` + quoted(evil) + `}`,
		`{"type":"send","id":1,"topic":` + quoted(evil) + `,"data":"x"}`,
		`{"type":` + quoted(evil) + `}`,
		`{"type":"ping",` + quoted(evil) + `:1}`,
	} {
		frames = append(frames, text(f)...)
	}
	requests := []string{}
	for _, query := range []string{"topic=a&token=" + mark, "topic=a&ticket=" + mark, "session=" + mark, "topic=refused&x=" + mark, "topic=panic&since=" + mark, "topic=a%0A" + mark, "topic=a&x=%zz" + mark, "topic=a;" + mark, "topic=" + mark + strings.Repeat("x", 300)} {
		for _, agent := range []string{"", "nobody", "panic"} {
			requests = append(requests,
				"GET /push/sse?"+query+" HTTP/1.1\r\n"+headers(agent)+"\r\n",
				"GET /push/ws?"+query+" HTTP/1.1\r\n"+headers(agent)+upgrade+"\r\n",
				"POST /push/publish?"+query+" HTTP/1.1\r\n"+headers(agent)+"Content-Length: 6\r\n\r\n"+mark,
				"POST /push/ticket?"+query+" HTTP/1.1\r\n"+headers(agent)+"Content-Length: 6\r\n\r\n"+mark,
				"POST /push/refresh?"+query+" HTTP/1.1\r\n"+headers(agent)+"Content-Length: 6\r\n\r\n"+mark,
				"POST /push/send?"+query+" HTTP/1.1\r\n"+headers(agent)+"Content-Length: 6\r\n\r\n"+mark)
		}
	}
	ws := "GET /push/ws HTTP/1.1\r\n" + headers("") + upgrade + "\r\n"
	requests = append(requests,
		ws+string(frames), ws+string(text(evil)), ws+string(frame(0x82, []byte(evil))), ws+string(frame(0x81, []byte(mark+"\xff"))),
		ws+string(frame(0x88, []byte("\x0f\xa0"+mark))), ws+string(frame(0xF1, []byte(evil))), ws+string(frame(0x89, []byte(mark))),
		"GET /push/sse?topic=a HTTP/1.1\r\n"+headers("")+mark+"\r\n\r\n",
		mark+" / "+mark+"\r\n\r\n", "GET /"+mark+"\x01 HTTP/1.1\r\n\r\n",
		"GET /push/sse?topic=a HTTP/1.1\r\nHost: "+mark+"/"+mark+"\r\n\r\n",
		"POST /push/send?topic=failing HTTP/1.1\r\n"+headers("")+"Content-Length: 6\r\n\r\n"+mark,
		"POST /push/send?topic=panicking HTTP/1.1\r\n"+headers("")+"Transfer-Encoding: chunked\r\n\r\n"+mark+"\r\n",
		"POST /push/send?topic=a HTTP/1.1\r\n"+headers("")+"Content-Type: "+mark+"/\r\nContent-Length: 6\r\n\r\n"+mark,
	)
	for _, request := range requests {
		c, err := tls.Dial("tcp", server.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true, ServerName: strings.ToLower(mark), NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		write(c, []byte(request))
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)) // the log is looked at in the end
		drain(c)
		c.NetConn().Close()
	}
	for _, plain := range []string{mark, "GET /" + mark + " HTTP/1.1\r\n\r\n", string(clientHello(t)[:100]) + mark} { // to a server with TLS
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		write(c, []byte(plain))
		_ = c.(*net.TCPConn).CloseWrite() // the answer is what matters
		drain(c)
		c.Close()
	}
	eventually(t, "the end of all sessions", func() bool { return hub.Stats().Sessions == 0 })

	for _, what := range []string{"push: refused", `"topic":"refused"`, "panic in a hook"} { // else the test doesn't reach what it should
		eventually(t, "a line that says "+what, func() bool { return strings.Contains(log.String(), what) })
	}
	got := log.String()
	for line := range strings.Lines(got) {
		if strings.Contains(line, mark) || strings.Contains(line, "forged") {
			t.Errorf("logged %.300s", line)
		}
		if !json.Valid([]byte(line)) || strings.ContainsFunc(strings.TrimSuffix(line, "\n"), unicode.IsControl) {
			t.Errorf("a line is broken: %.300q", line)
		}
		if !strings.Contains(line, `"stack"`) && len(line) > 1000 {
			t.Errorf("a line of %d bytes: %.300s", len(line), line)
		}
	}
}
