package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
)

// inBubble runs a test of a chat in virtual time.
func inBubble(t *testing.T, test func(t *testing.T, c *chat, store *pushtest.Broker)) {
	synctest.Test(t, func(t *testing.T) {
		store := pushtest.NewBroker(t, membroker.Options{Topics: brokerOptions.Topics})
		c := newChat(store)
		t.Cleanup(func() {
			if err := c.hub.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
		})
		test(t, c, store)
	})
}

func TestGuestsSeeEachOther(t *testing.T) {
	for _, over := range pushtest.Transports {
		inBubble(t, func(t *testing.T, c *chat, store *pushtest.Broker) {
			mira, tom := pushtest.Dial(t, c.routes(), "/push", over), pushtest.Dial(t, c.routes(), "/push", over)
			mira.Follow("chat/lobby")
			tom.Follow("chat/lobby")
			hello := post{"Mira", "hello"}
			tom.Cut(func() { mira.Send("chat/lobby", hello) })
			mira.Expect("chat/lobby", hello)
			tom.Expect("chat/lobby", hello)
			store.Fail(nil)
			if _, err := mira.TrySend(push.Message{Topic: "chat/lobby", Data: []byte(`{"name":"a","text":"b"}`)}); !errors.Is(err, push.CodeUnavailable) {
				t.Errorf("posting without a broker: %v", err)
			}
			store.Heal()
			mira.Nothing()
			tom.Nothing()
			store.Published.Expect("chat/lobby", hello)
		})
	}
}

func TestGuestThatTypesNoLongerIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T, c *chat, _ *pushtest.Broker) {
		w := httptest.NewRecorder()
		c.routes().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/me", strings.NewReader(`{"name":"Mira"}`)))
		cookie := w.Result().Cookies()[0]
		guest := pushtest.Dial(t, c.routes(), "/push", pushtest.Cookie(cookie.Name, cookie.Value))
		typing := guest.State(typingPrefix + "lobby")
		typing.Expect(map[string]any{})
		guest.Send("chat/lobby", push.Message{Event: typingEvent, Data: []byte("typing")})
		if got := typing.Map(); len(got) != 1 {
			t.Errorf("there type %v", got)
		}
		time.Sleep(typingFor)
		typing.Expect(map[string]any{})
	})
}

func TestRoutesAreMountedWell(t *testing.T) {
	inBubble(t, func(t *testing.T, c *chat, _ *pushtest.Broker) {
		pushtest.CheckMount(t, c.routes(), "/push", pushtest.Topic("chat/lobby"))
	})
}
