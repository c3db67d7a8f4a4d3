package protocol_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// BenchmarkMessage is paid once for each message and wire format.
func BenchmarkMessage(b *testing.B) {
	for name, m := range map[string]*push.Message{
		"text":   message(func(m *push.Message) { m.Data = []byte(strings.Repeat("0123456789abcdef", 8)) }),
		"json":   message(func(m *push.Message) { m.Data = []byte(`{"order":42,"state":"` + strings.Repeat("x", 104) + `"}`) }),
		"wide":   message(func(m *push.Message) { m.Data = []byte(strings.Repeat("привет, ", 9)) }),
		"binary": message(func(m *push.Message) { m.Data, m.Encoding = make([]byte, 128), push.EncodingBinary }),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				protocol.Message(m, at)
			}
		})
	}
}

// BenchmarkWelcome and BenchmarkSubscribed are paid once for each connection.
func BenchmarkWelcome(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		protocol.Welcome("0199a1b2-0000-7000-8000-0000000000ff", 25*time.Second, time.Time{}, answers[:1])
	}
}

func BenchmarkSubscribed(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		protocol.Subscribed(1, answers[:1])
	}
}

func BenchmarkGap(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		protocol.Gap(broker.Gap{Topic: "orders/42", Reason: broker.GapTrimmed, Last: position, Now: position}, at)
	}
}

// BenchmarkParseRequest is paid once for each connection that subscribes by a
// frame, and for each message from a client.
func BenchmarkParseRequest(b *testing.B) {
	subscribe := func(topics int) string {
		entries := make([]string, topics)
		for i := range entries {
			entries[i] = fmt.Sprintf(`{"topic":"orders/%d","since":"%s"}`, i, at)
		}
		return `{"type":"subscribe","id":1,"topics":[` + strings.Join(entries, ",") + `]}`
	}
	for name, frame := range map[string]string{
		"subscribe 1":  subscribe(1),
		"subscribe 10": subscribe(10),
		"send":         `{"type":"send","id":3,"topic":"orders/42","data":"` + strings.Repeat("x", 128) + `"}`,
		"pong":         `{"type":"pong"}`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := protocol.ParseRequest([]byte(frame)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
