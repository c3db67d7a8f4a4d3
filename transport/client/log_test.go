package client

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tidewire/tidewire/transport/websocket"
)

// records is a log for a test to read.
type records chan slog.Record

func (r records) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (r records) WithAttrs([]slog.Attr) slog.Handler               { return r }
func (r records) WithGroup(string) slog.Handler                    { return r }

// Handle keeps a record if there is room.
func (r records) Handle(_ context.Context, record slog.Record) error {
	select {
	case r <- record:
	default:
	}
	return nil
}

// lost is what a record says of a connection.
func lost(r slog.Record) (wait time.Duration, err error) {
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error":
			err, _ = a.Value.Any().(error)
		case "wait":
			wait = a.Value.Duration()
		}
		return true
	})
	return wait, err
}

// TestLogNamesWhyNothingConnects has a network that refuses each connection.
func TestLogNamesWhyNothingConnects(t *testing.T) {
	eachTransport(t, func(t *testing.T, way Transport) {
		log := make(records, 5)
		c := connect(t, "http://server.example/push", Options{
			Transport: way, Logger: slog.New(log), MinBackoff: 1234567 * time.Nanosecond, MaxBackoff: 2 * time.Millisecond,
			HTTPClient: clientOver(func(string) (net.Conn, error) { return nil, errTest }),
		})
		if _, err := c.Subscribe("a"); err != nil {
			t.Fatal(err)
		}
		for range cap(log) {
			r := <-log
			if wait, err := lost(r); r.Message != "client: can't connect" || !errors.Is(err, errTest) || wait%time.Millisecond != 0 {
				t.Errorf("%s: %v, wait %v", r.Message, err, wait)
			}
		}
	})
}

// TestLogSaysThatAConnectionWasLost has a server that welcomes, and fails.
func TestLogSaysThatAConnectionWasLost(t *testing.T) {
	scripted(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		socketed(w, r, func(conn *websocket.Conn) {
			write(conn, hello)
			_ = conn.Close(websocket.StatusInternalError, "")
		})
	}, func(t *testing.T, s *script) {
		log := make(records, 1)
		c := s.connect(Options{Transport: WebSocket, Logger: slog.New(log)})
		r := <-log
		if _, err := lost(r); r.Message != "client: disconnected" || err == nil {
			t.Errorf("%s: %v", r.Message, err)
		}
		s.close(c)
	})
}
