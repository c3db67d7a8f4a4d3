package cursor_test

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push/cursor"
)

var benchPosition = broker.Position{Epoch: 0x9f8a6c21d0e4b735, Offset: 123456, Tag: 0x01020304}

// BenchmarkFormat is paid once for each message and wire format.
func BenchmarkFormat(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		cursor.Format("orders/42", benchPosition)
	}
}

// BenchmarkParse is paid once for each client that comes back.
func BenchmarkParse(b *testing.B) {
	for _, topics := range []int{1, 10, cursor.MaxTopics} {
		b.Run(fmt.Sprint(topics, " topics"), func(b *testing.B) {
			at := cursor.Join(benchCursors(topics))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := cursor.Parse(at); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkJoinCursors is paid by an event stream of several topics, for each
// message.
func BenchmarkJoinCursors(b *testing.B) {
	cursors := benchCursors(10)
	b.ReportAllocs()
	for b.Loop() {
		cursor.Join(cursors)
	}
}

func benchCursors(topics int) []string {
	cursors := make([]string, topics)
	for i := range cursors {
		cursors[i] = cursor.Format(fmt.Sprint("orders/", i), benchPosition)
	}
	return cursors
}
