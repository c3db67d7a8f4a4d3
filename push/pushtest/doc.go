// Package pushtest is for the tests of applications that push. docs/testing.md is the guide.
//
//	func TestOrderIsPushed(t *testing.T) {
//		hub := pushtest.NewHub(t, push.Options{})
//		client := hub.Client(t)
//		client.Follow("orders/42")
//		if err := SetStatus(t.Context(), hub.Hub, 42, "shipped"); err != nil { // your code
//			t.Fatal(err)
//		}
//		client.Expect("orders/42", map[string]any{"status": "shipped"})
//		client.Nothing()
//	}
//
// There are four parts, each of use without the others:
//
//   - [NewRecorder] stands for a hub where code only publishes.
//   - [NewHub] makes a hub in memory that ends with the test. Its broker can be made to lose a
//     message, to expire a history and to fail; [NewBroker] is that broker for an application
//     that makes its hub itself.
//   - [Hub.Client] and [Dial] connect clients over each [Transport], also through the
//     application's own router and middleware, as anybody. A client can be cut and stalled.
//   - [CheckMount] checks a router and its middleware: that nothing holds back or ends what is
//     pushed.
//
// Nothing sleeps, and nothing is sent over a network: connections are in memory. So all of it
// works in a bubble of testing/synctest, where waiting costs no time and tests of time are
// exact.
package pushtest
