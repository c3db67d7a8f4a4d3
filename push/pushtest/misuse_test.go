package pushtest_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/pushtest"
)

// TestClientEndsWithItsTest: what is asked of it later fails at once, and says why.
func TestClientEndsWithItsTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, over := range pushtest.Transports {
			for name, use := range map[string]func(c *pushtest.Client){
				"Follow":  func(c *pushtest.Client) { c.Follow("b") },
				"Send":    func(c *pushtest.Client) { c.Send("a", "text") },
				"Expect":  func(c *pushtest.Client) { c.Expect("a", "text") },
				"Nothing": func(c *pushtest.Client) { c.Nothing() },
				"Cut":     func(c *pushtest.Client) { c.Cut() },
				"State":   func(c *pushtest.Client) { c.State("b") },
			} {
				says(t, watched(t, func(t testing.TB) {
					hub := pushtest.NewHub(t, push.Options{})
					var client *pushtest.Client
					t.Cleanup(func() { use(client) })
					client = hub.Client(t, over)
					client.Follow("a")
				}), over.String(), "has ended with the test that it was made for")
				if t.Failed() {
					t.Fatal(name)
				}
			}
		}
	})
}

func TestNilIsNothingToExpect(t *testing.T) {
	for what, want := range map[string]any{"*push.Message": (*push.Message)(nil), "function": (func(*push.Message) error)(nil)} {
		for _, come := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				says(t, watched(t, func(t testing.TB) {
					hub := pushtest.NewHub(t, push.Options{})
					client := hub.Client(t)
					client.Follow("a")
					if come {
						if _, err := hub.PublishJSON(context.Background(), "a", 1); err != nil {
							t.Error(err)
						}
					}
					client.Expect("a", want)
				}), "a nil "+what)
			})
		}
	}
}

// TestBubblesAreKeptApart: what waits for the other side would hang, or end the process.
func TestBubblesAreKeptApart(t *testing.T) {
	hub := pushtest.NewHub(t, push.Options{})
	outside := hub.Client(t)
	synctest.Test(t, func(t *testing.T) {
		says(t, watched(t, func(t testing.TB) { hub.Client(t) }), "another bubble of testing/synctest")
	})
	for name, use := range map[string]func(c *pushtest.Client){
		"TryFollow": func(c *pushtest.Client) { c.Follow("a") },
		"Send":      func(c *pushtest.Client) { c.Send("a", "text") },
		"Expect":    func(c *pushtest.Client) { c.Expect("a", "text") },
		"Nothing":   func(c *pushtest.Client) { c.Nothing() },
	} {
		says(t, watched(t, func(outer testing.TB) {
			client := hub.Client(outer)
			synctest.Test(t, func(*testing.T) {
				defer func() { _ = recover() }() // as Goexit would end it
				use(client)
			})
		}), "another bubble of testing/synctest")
		if t.Failed() {
			t.Fatal(name)
		}
	}
	outside.Follow("a")
	outside.Nothing()
}
