package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
)

// metered counts how often its figures are read, which each snapshot does once.
type metered struct {
	*membroker.Broker
	read atomic.Int64
}

func (m *metered) Figures() broker.Figures {
	m.read.Add(1)
	return broker.Figures{Calls: uint64(m.read.Load()) * 10, Lag: time.Second}
}

// response is what a viewer gets.
type response struct {
	header http.Header
	mu     sync.Mutex
	body   bytes.Buffer
	status int
}

func newResponse() *response { return &response{header: http.Header{}, status: http.StatusOK} }

func (r *response) Header() http.Header { return r.header }
func (r *response) Flush()              {}
func (r *response) WriteHeader(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *response) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.body.Write(p)
}

// events returns the events of one name.
func (r *response) events(name string) (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := range strings.SplitSeq(r.body.String(), "\n\n") {
		if data, ok := strings.CutPrefix(e, "event: "+name+"\ndata: "); ok {
			all = append(all, data)
		}
	}
	return all
}

// view opens a stream, which ended is closed after.
func view(ctx context.Context, h http.Handler) (r *response, ended chan struct{}) {
	r, ended = newResponse(), make(chan struct{})
	go func() {
		defer close(ended)
		h.ServeHTTP(r, httptest.NewRequestWithContext(ctx, http.MethodGet, "/events", nil))
	}()
	return r, ended
}

func TestViewersShareSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &metered{Broker: membroker.New()}
		hub := push.New(b, push.Options{Authorize: push.Anyone})
		events := Routes(hub)["events"]
		time.Sleep(time.Hour + 300*time.Millisecond)
		if n := b.read.Load(); n != 0 {
			t.Errorf("%d snapshots before anybody looked", n)
		}
		ctx, leave := context.WithCancel(t.Context())
		var viewers []*response
		var ends []chan struct{}
		for range 10 {
			r, ended := view(ctx, events)
			viewers, ends = append(viewers, r), append(ends, ended)
			time.Sleep(10 * time.Millisecond)
		}
		if _, err := hub.Publish(t.Context(), push.Message{Topic: "a"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if n := b.read.Load(); n != 6 {
			t.Errorf("%d snapshots in 5 s for 10 viewers, not 6", n)
		}
		want := viewers[0].events("snapshot")
		for i, r := range viewers {
			if got := r.events("snapshot"); !slices.Equal(got, want) || len(got) != 6 {
				t.Errorf("viewer %d got %d snapshots, the first %d", i, len(got), len(want))
			}
		}
		var second struct{ Rates *point }
		if err := json.Unmarshal([]byte(want[1]), &second); err != nil || second.Rates == nil || second.Rates.Published < 1 {
			t.Errorf("%v, %s", err, want[1])
		}
		late, ended := view(ctx, events)
		synctest.Wait()
		var history []point
		if err := json.Unmarshal([]byte(late.events("history")[0]), &history); err != nil || len(history) != 5 {
			t.Errorf("%v, a history of %d points", err, len(history))
		}
		leave()
		for _, ended := range append(ends, ended) {
			<-ended
		}
		time.Sleep(time.Hour)
		if n := b.read.Load(); n != 6 {
			t.Errorf("%d snapshots after all have left", n)
		}
		again, ended := view(t.Context(), events)
		synctest.Wait()
		if got := again.events("history"); !slices.Equal(got, []string{"[]"}) {
			t.Errorf("the history goes back before an hour without viewers: %s", got)
		}
		if err := hub.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		<-ended
		if got := again.events("snapshot"); !strings.Contains(got[len(got)-1], `"draining":true`) {
			t.Errorf("the last snapshot doesn't say that the hub drains: %s", got[len(got)-1])
		}
		drained, ended := view(t.Context(), events)
		<-ended
		if got := drained.events("snapshot"); len(got) != 1 {
			t.Errorf("%d snapshots of a hub that drains", len(got))
		}
	})
}

func TestViewersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := Routes(push.New(membroker.New(), push.Options{}))["events"]
		ctx, leave := context.WithCancel(t.Context())
		var ends []chan struct{}
		for range maxViewers {
			_, ended := view(ctx, events)
			ends = append(ends, ended)
		}
		synctest.Wait()
		r, ended := view(t.Context(), events)
		<-ended
		if r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
			t.Errorf("one viewer more than %d: %d", maxViewers, r.status)
		}
		leave()
		for _, ended := range ends {
			<-ended
		}
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := Routes(push.New(membroker.New(), push.Options{}))["events"]
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		_, first := view(ctx, events)
		time.Sleep(10 * time.Minute)
		r, second := view(ctx, events)
		synctest.Wait()
		var history []point
		if err := json.Unmarshal([]byte(r.events("history")[0]), &history); err != nil || len(history) != maxHistory-1 {
			t.Errorf("%v, %d points", err, len(history))
		}
		leave()
		<-first
		<-second
	})
}

func TestOtherSitesCantWatch(t *testing.T) {
	routes := Routes(push.New(membroker.New(), push.Options{}))
	for _, name := range []string{"events", "user"} {
		for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "none": 200, "": 200} {
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/"+name+"?name=ada", nil)
			r.Header.Set("Sec-Fetch-Site", site)
			routes[name].ServeHTTP(w, r)
			if w.Code != want || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s of %q: %d %v", name, site, w.Code, w.Header())
			}
		}
	}
}
