package push_test

import (
	"context"
	"errors"
	"fmt"
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

// stalling is a broker that can be made to refuse what is published.
type stalling struct {
	*membroker.Broker
	refuses atomic.Bool
	stored  atomic.Int32
}

func (b *stalling) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if b.refuses.Load() {
		return push.Receipt{}, push.CodeUnavailable
	}
	b.stored.Add(1)
	return b.Broker.Publish(ctx, m)
}

// newStateBroker has this rule for answers.
func newStateBroker(rule push.TopicRule) *membroker.Broker {
	rule.Pattern, rule.State = "answers/{id}", true
	return membroker.New(membroker.Options{Topics: []push.TopicRule{rule}})
}

func newStreamHub(t *testing.T) (*push.Hub, *stalling) {
	t.Helper()
	b := &stalling{Broker: newStateBroker(push.TopicRule{})}
	return push.New(b, push.Options{}), b
}

func shutdown(t *testing.T, hub *push.Hub) {
	t.Helper()
	if err := hub.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
}

// keysOf returns what a state has.
func keysOf(t *testing.T, hub *push.Hub, topic string) map[string]string {
	t.Helper()
	entries, _, err := hub.State(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for _, e := range entries {
		keys[e.Key] = string(e.Data)
	}
	return keys
}

func wantKeys(t *testing.T, hub *push.Hub, want map[string]string) {
	t.Helper()
	if got := keysOf(t, hub, "answers/1"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%.200v, want %.200v", got, want)
	}
}

// TestStreamIsWrittenBitByBit: small writes join, characters stay whole, and the end is
// marked.
func TestStreamIsWrittenBitByBit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, b := newStreamHub(t)
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		wantKeys(t, hub, map[string]string{"text": "", "text.status": `{"state":"open"}`})
		whole := strings.Repeat("naïve 😀 ", 200)
		begun := b.stored.Load()
		for i := range len(whole) { // byte by byte
			if _, err := s.Write([]byte{whole[i]}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) //clock:virtual
		}
		if n := b.stored.Load() - begun; n < 50 || n > 150 {
			t.Errorf("%d appends in %d ms", n, len(whole))
		}
		time.Sleep(time.Second) //clock:virtual
		wantKeys(t, hub, map[string]string{"text": whole, "text.status": `{"state":"open"}`})
		if _, err := s.Write([]byte("end\xff")); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, hub, map[string]string{"text": whole + "end\uFFFD", "text.status": `{"state":"done"}`})
		if _, err := s.Write([]byte("more")); !errors.Is(err, push.CodeBadRequest) {
			t.Errorf("after Close: %v", err)
		}
		time.Sleep(time.Hour) //clock:virtual
		wantKeys(t, hub, map[string]string{"text": whole + "end\uFFFD", "text.status": `{"state":"done"}`})
	})
}

// TestStreamLivesAsLongAsItsProducer: a stream to which nothing is written stays open, and
// nobody else may begin one of its key.
func TestStreamLivesAsLongAsItsProducer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := newStreamHub(t)
		defer shutdown(t, hub)
		ctx, cancel := context.WithCancel(t.Context())
		s, err := hub.Stream(ctx, "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		cancel()              // the request has ended
		time.Sleep(time.Hour) //clock:virtual
		if _, err := hub.Stream(t.Context(), "answers/1", "text"); !errors.Is(err, push.CodeConflict) {
			t.Errorf("another producer: %v", err)
		}
		if _, err := s.Write([]byte("late")); err != nil {
			t.Error(err)
		}
		if err := s.Fail(push.NewError(push.CodeInternal, "the model is away", errors.New("password"))); err != nil {
			t.Error(err)
		}
		wantKeys(t, hub, map[string]string{"text": "late", "text.status": `{"state":"failed","reason":"the model is away"}`})
		if s, err = hub.Stream(t.Context(), "answers/1", "text"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		wantKeys(t, hub, map[string]string{"text": "", "text.status": `{"state":"done"}`})
	})
}

// TestStreamOfADeadProducerFails: nobody renews its status, and when it comes back it
// writes nothing more.
func TestStreamOfADeadProducerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, b := newStreamHub(t)
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("so far")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) //clock:virtual
		b.refuses.Store(true)
		time.Sleep(10500 * time.Millisecond) //clock:virtual
		wantKeys(t, hub, map[string]string{"text": "so far"})
		b.refuses.Store(false)
		_, _ = s.Write([]byte("revived"))
		time.Sleep(time.Minute) //clock:virtual
		wantKeys(t, hub, map[string]string{"text": "so far"})
		if err := s.Close(); err == nil {
			t.Error("it doesn't know that it has failed")
		}
	})
}

// TestStreamOutlivesABrokersAbsence: what was written meanwhile is appended once.
func TestStreamOutlivesABrokersAbsence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, b := newStreamHub(t)
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if i == 20 {
				b.refuses.Store(true)
			}
			if i == 70 {
				b.refuses.Store(false)
			}
			if _, err := fmt.Fprint(s, i, " "); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond) //clock:virtual
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		want := ""
		for i := range 100 {
			want += fmt.Sprint(i, " ")
		}
		if got := keysOf(t, hub, "answers/1")["text"]; got != want {
			t.Errorf("%q", got)
		}
	})
}

// TestStreamIsStopped: the wish of a reader reaches the producer, which decides.
func TestStreamIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := newStreamHub(t)
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-s.Stopped():
			t.Error("nobody has asked")
		default:
		}
		for range 2 {
			if err := hub.StopStream(t.Context(), "answers/1", "text"); err != nil {
				t.Error(err)
			}
		}
		<-s.Stopped()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestStreamIsBounded: a text that grows past what a value may have fails.
func TestStreamIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := newStreamHub(t)
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		page := []byte(strings.Repeat("x", 10_000))
		for range 100 {
			if _, err = s.Write(page); err != nil {
				break
			}
		}
		if !errors.Is(err, push.CodeTooLarge) {
			t.Errorf("%v", err)
		}
		if err := s.Close(); !errors.Is(err, push.CodeTooLarge) {
			t.Errorf("Close: %v", err)
		}
		if keys := keysOf(t, hub, "answers/1"); !strings.Contains(keys["text.status"], "failed") {
			t.Errorf("%s", keys["text.status"])
		}
	})
}

// TestShutdownFailsStreams: a producer that goes on is told, and keeps nobody waiting.
func TestShutdownFailsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, _ := newStreamHub(t)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write([]byte("so far")); err != nil {
			t.Fatal(err)
		}
		shutdown(t, hub)
		if _, err := s.Write([]byte("more")); !errors.Is(err, push.CodeDraining) {
			t.Errorf("%v", err)
		}
		if err := s.Close(); !errors.Is(err, push.CodeDraining) {
			t.Errorf("%v", err)
		}
	})
}

// TestPromptWishToStop: whoever sees that a stream is there can stop it, and a wish that was for
// the stream before doesn't.
func TestPromptWishToStop(t *testing.T) {
	for name, at := range map[string]broker.Op{"once the status is there": broker.OpDelete, "once the text is there": broker.OpSet} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &prompt{Broker: newStateBroker(push.TopicRule{}), at: at}
				hub := push.New(b, push.Options{})
				defer shutdown(t, hub)
				b.stop = func() {
					if err := hub.StopStream(t.Context(), "answers/1", "text"); err != nil {
						t.Error(err)
					}
				}
				b.stop()
				s, err := hub.Stream(t.Context(), "answers/1", "text")
				if err != nil {
					t.Fatal(err)
				}
				select {
				case <-s.Stopped():
				case <-time.After(time.Second): //clock:virtual
					t.Error("the wish was lost")
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
				if s, err = hub.Stream(t.Context(), "answers/1", "text"); err != nil {
					t.Fatal(err)
				}
				select {
				case <-s.Stopped():
					t.Error("the wish for one stream has stopped the next")
				case <-time.After(time.Second): //clock:virtual
				}
			})
		})
	}
}

// prompt is a broker with a reader that asks a stream to stop as soon as it sees it.
type prompt struct {
	*membroker.Broker
	at   broker.Op // before this change of another key than the status
	stop func()
	once sync.Once
}

func (b *prompt) Publish(ctx context.Context, m push.Message) (push.Receipt, error) {
	if m.Op == b.at && m.Topic == "answers/1" && m.TTL == 0 {
		b.once.Do(b.stop)
	}
	return b.Broker.Publish(ctx, m)
}

// TestStreamThatCantBegin leaves nothing behind.
func TestStreamThatCantBegin(t *testing.T) {
	tests := []struct {
		name, key string
		keys      int
		want      push.Code
	}{
		{"no key", "", 0, push.CodeBadRequest},
		{"a key that may be another's status", "x.status", 0, push.CodeBadRequest},
		{"a key that may be another's wish to stop", "x.stop", 0, push.CodeBadRequest},
		{"a key that ends with a space", "x ", 0, push.CodeBadRequest},
		{"a key too long for its status", strings.Repeat("x", 194), 0, push.CodeBadRequest},
		{"no room for the text", "text", 1, push.CodeLimitReached},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			hub := push.New(newStateBroker(push.TopicRule{MaxKeys: test.keys}), push.Options{})
			defer shutdown(t, hub)
			if _, err := hub.Stream(t.Context(), "answers/1", test.key); !errors.Is(err, test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
			wantKeys(t, hub, map[string]string{})
		})
	}
}

// TestOpenStreamKeepsItsText, also if nothing is written for longer than keys of the topic stay.
func TestOpenStreamKeepsItsText(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := push.New(newStateBroker(push.TopicRule{TTL: 2 * time.Second}), push.Options{})
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		for _, piece := range []string{"first ", "second ", "third"} {
			if _, err := s.Write([]byte(piece)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute) //clock:virtual
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		wantKeys(t, hub, map[string]string{"text": "first second third", "text.status": `{"state":"done"}`})
		time.Sleep(time.Minute) //clock:virtual
		wantKeys(t, hub, map[string]string{})
	})
}

// TestStreamThatIsMisused: nothing of it ends the program, or takes memory without bound.
func TestStreamThatIsMisused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, b := newStreamHub(t)
		defer shutdown(t, hub)
		s, err := hub.Stream(t.Context(), "answers/1", "text")
		if err != nil {
			t.Fatal(err)
		}
		b.refuses.Store(true)
		written := make(chan int)
		go func() {
			n, _ := s.Write(make([]byte, 64<<20))
			written <- n
		}()
		time.Sleep(time.Minute) //clock:virtual
		if n := <-written; n > 300<<10 {
			t.Errorf("%d bytes were taken while the broker was away", n)
		}
		b.refuses.Store(false)
		if s, err = hub.Stream(t.Context(), "answers/1", "text"); err != nil {
			t.Fatal(err)
		}
		if err := s.Fail(nil); err != nil {
			t.Error(err)
		}
		wantKeys(t, hub, map[string]string{"text": "", "text.status": `{"state":"failed","reason":"internal error"}`})
	})
}
