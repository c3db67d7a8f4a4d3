//go:build unix

package transport_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/transporttest"
)

var worst = flag.Duration("worst", 2*time.Second, "how long TestOneClientAtItsWorst is attacked")

const (
	worstTopics  = 5
	worstHistory = 300
)

// TestOneClientAtItsWorst has one anonymous client do to a small Redis what it can: follow
// names that nobody uses, resume from places that never were, come and go. No honest publish
// fails, every follower gets every message, and afterwards Redis holds what it held before.
func TestOneClientAtItsWorst(t *testing.T) {
	server, err := redistest.Start(t.TempDir(), "--maxmemory", "32mb", "--maxmemory-policy", "noeviction")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client := redis.NewClient(server.Options())
	t.Cleanup(func() { client.Close() })
	logger := slog.New(slog.DiscardHandler)
	hub := push.New(redisbroker.New(client, redisbroker.Options{Logger: logger}), push.Options{Authorize: push.Anyone, Logger: logger})
	mux := http.NewServeMux()
	mux.Handle("/push/", http.StripPrefix("/push", transport.Routes(hub)))
	web := httptest.NewServer(mux)
	t.Cleanup(web.Close)
	t.Cleanup(func() {
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})

	w := &worstWorld{t: t, hub: hub}
	big := strings.Repeat("x", 4096)
	for i := range worstTopics * worstHistory { // what is worth asking for
		w.publish(i, big)
	}
	w.delays = nil
	w.follow(web.URL)
	address := strings.TrimPrefix(web.URL, "http://")

	before := stored(t, client)
	idle := startAttackers(t, "hog", address, 0)
	quiet := w.publishFor(*worst)
	idle.stop()
	sent := netOutput(t, client)
	attackers := startAttackers(t, "worst", address, worstTopics)
	busy := w.publishFor(*worst)
	done := attackers.stop()
	sent = netOutput(t, client) - sent
	w.arrived()

	for _, what := range []string{"names", "forged", "streams"} {
		if done[what] == 0 {
			t.Errorf("%s: never tried", what)
		}
	}
	var after redisUse
	eventually(t, "what Redis held before", func() bool {
		after = stored(t, client)
		return after.keys <= before.keys && after.bytes <= before.bytes+1<<20 && after.channels <= before.channels
	})
	t.Logf("publish, quiet: %v; attacked: %v (%.1f × the p99)", quiet, busy, float64(busy.p99)/float64(quiet.p99))
	t.Logf("tried %v; Redis sent %d bytes meanwhile; it held %+v before and %+v after", done, sent, before, after)
}

// worstWorld is the honest side.
type worstWorld struct {
	t         *testing.T
	hub       *push.Hub
	delays    []time.Duration
	published [worstTopics]int
	got       [worstTopics]atomic.Int64
	reading   sync.WaitGroup
}

func (w *worstWorld) publish(i int, data string) {
	w.t.Helper()
	topic := i % worstTopics
	begun := time.Now()
	_, err := w.hub.Publish(w.t.Context(), push.Message{Topic: "h" + strconv.Itoa(topic), Data: []byte(data)})
	w.delays = append(w.delays, time.Since(begun)) //clock:real only told
	if err != nil {
		w.t.Fatalf("an honest publish failed: %v", err)
	}
	w.published[topic]++
}

// publishFor publishes for a time, and tells how long a publish took.
func (w *worstWorld) publishFor(d time.Duration) latencies {
	w.t.Helper()
	w.delays = nil
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); <-ticker.C {
		w.publish(len(w.delays), "small")
	}
	slices.Sort(w.delays)
	at := func(q int) time.Duration { return w.delays[(len(w.delays)-1)*q/100] }
	return latencies{at(50), at(99), at(100)}
}

// follow has a client follow each topic.
func (w *worstWorld) follow(address string) {
	w.t.Helper()
	for topic := range worstTopics {
		c, err := transporttest.DialSubprotocol(w.t.Context(), address+"/push/ws", []string{"h" + strconv.Itoa(topic)}, "")
		if err != nil {
			w.t.Fatal(err)
		}
		if _, err := c.Next(); err != nil { // the welcome
			w.t.Fatal(err)
		}
		w.t.Cleanup(w.reading.Wait)
		w.t.Cleanup(c.Close)
		w.published[topic] = 0
		w.reading.Go(func() {
			for {
				f, err := c.Next()
				if err != nil {
					return
				}
				if f.Data == "small" {
					w.got[topic].Add(1)
				} else {
					w.t.Errorf("an honest client got %+v", f)
				}
			}
		})
	}
}

// arrived waits until each follower has what was published, and no more.
func (w *worstWorld) arrived() {
	w.t.Helper()
	for topic := range worstTopics {
		eventually(w.t, "every message", func() bool { return w.got[topic].Load() >= int64(w.published[topic]) })
		if got := w.got[topic].Load(); got != int64(w.published[topic]) {
			w.t.Errorf("%d messages of %d arrived", got, w.published[topic])
		}
	}
}

type redisUse struct {
	keys     int64
	bytes    int
	channels int
}

func stored(t *testing.T, client *redis.Client) redisUse {
	t.Helper()
	keys, err := client.DBSize(t.Context()).Result()
	if err != nil {
		t.Fatal(err)
	}
	channels, err := client.PubSubShardChannels(t.Context(), "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	return redisUse{keys, info(t, client, "memory", "used_memory_dataset"), len(channels)}
}

func netOutput(t *testing.T, client *redis.Client) int {
	t.Helper()
	return info(t, client, "stats", "total_net_output_bytes")
}

func info(t *testing.T, client *redis.Client, section, field string) int {
	t.Helper()
	all, err := client.Info(t.Context(), section).Result()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(all, field+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	n, err := strconv.Atoi(value)
	if err != nil || !found {
		t.Fatalf("INFO %s has no %s", section, field)
	}
	return n
}

// worstClient attacks by each way in turn, on as many connections as it may have.
func worstClient(ctx context.Context, address string, topics int) map[string]int64 {
	places := placesOf(ctx, address, topics)
	ways := []struct {
		name   string
		attack func(ctx context.Context, r *rand.Rand) int64
		done   atomic.Int64
	}{
		{name: "names", attack: func(ctx context.Context, r *rand.Rand) int64 { return followNames(ctx, address, r) }},
		{name: "forged", attack: func(ctx context.Context, r *rand.Rand) int64 { return forge(ctx, address, places, r) }},
		{name: "streams", attack: func(ctx context.Context, r *rand.Rand) int64 { return comeAndGo(ctx, address, places, r) }},
	}
	var running sync.WaitGroup
	for i := range 2 * len(ways) {
		way, r := &ways[i%len(ways)], rand.New(rand.NewPCG(uint64(i), 7))
		running.Go(func() {
			for ctx.Err() == nil {
				attackPace.wait(ctx)
				way.done.Add(way.attack(ctx, r))
			}
			for way.done.Load() == 0 { // a busy machine may not have come to it
				way.done.Add(way.attack(context.Background(), r))
			}
		})
	}
	running.Wait()
	done := map[string]int64{}
	for i := range ways {
		done[ways[i].name] = ways[i].done.Load()
	}
	return done
}

// placesOf tells where topics are, as their welcome says.
func placesOf(ctx context.Context, address string, topics int) []broker.Position {
	places := make([]broker.Position, topics)
	for i := range places {
		name := "h" + strconv.Itoa(i)
		c, err := transporttest.DialSSE(ctx, "http://"+address+"/push/sse", []string{name}, "")
		if err != nil {
			panic(err)
		}
		if _, err := c.Next(); err != nil {
			panic(err)
		}
		cursor, err := cursor.Parse(c.Cursor)
		if err != nil {
			panic(err)
		}
		places[i], _ = cursor.Position(name)
		c.Close()
	}
	return places
}

// forgedCursor is of a place in a topic's history that never was.
func forgedCursor(topic int, place broker.Position, r *rand.Rand) string {
	back := r.Uint64N(worstHistory - 1)
	return cursor.Format("h"+strconv.Itoa(topic), broker.Position{Epoch: place.Epoch, Offset: place.Offset - back, Tag: r.Uint32()})
}

// followNames follows and leaves names that nobody uses, until it is cut.
func followNames(ctx context.Context, address string, r *rand.Rand) int64 {
	return attackWebSocket(ctx, address, func() string {
		var topics, leave []string
		for range 1 + r.IntN(50) {
			name := fmt.Sprintf("made-up/%x", r.Uint64())
			topics, leave = append(topics, fmt.Sprintf(`{"topic":%q}`, name)), append(leave, strconv.Quote(name))
		}
		return `{"type":"subscribe","id":1,"topics":[` + strings.Join(topics, ",") + `]}` + "\x00" +
			`{"type":"unsubscribe","id":2,"topics":[` + strings.Join(leave, ",") + `]}`
	})
}

// forge resumes from places that never were, until it is cut.
func forge(ctx context.Context, address string, places []broker.Position, r *rand.Rand) int64 {
	return attackWebSocket(ctx, address, func() string {
		topic := r.IntN(len(places))
		return fmt.Sprintf(`{"type":"subscribe","id":1,"topics":[{"topic":"h%d","since":%q}]}`, topic, forgedCursor(topic, places[topic], r)) +
			"\x00" + fmt.Sprintf(`{"type":"unsubscribe","id":2,"topics":["h%d"]}`, topic)
	})
}

// attackWebSocket sends what next makes (frames parted by NUL) until the server ends the
// connection, and tells how many frames it took.
func attackWebSocket(ctx context.Context, address string, next func() string) int64 {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return 0
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if !write(c, []byte(handshakeTo("/push/ws")+"\r\n\r\n")) {
		return 0
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		return 0
	}
	go drain(c) // ends with the connection
	frames := int64(0)
	for ctx.Err() == nil {
		for frame := range strings.SplitSeq(next(), "\x00") {
			attackPace.wait(ctx)
			if !write(c, text(frame)) {
				return frames
			}
			frames++
		}
		runtime.Gosched()
	}
	return frames
}

// comeAndGo opens an event stream of made-up names and a forged place, and leaves.
func comeAndGo(ctx context.Context, address string, places []broker.Position, r *rand.Rand) int64 {
	topic := r.IntN(len(places))
	query := url.Values{"topic": {"h" + strconv.Itoa(topic)}, "since": {forgedCursor(topic, places[topic], r)}}
	for range 30 {
		query.Add("topic", fmt.Sprintf("made-up/%x", r.Uint64()))
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/push/sse?"+query.Encode(), nil)
	if err != nil {
		return 0
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = response.Body.Read(make([]byte, 1))
	return 1
}
