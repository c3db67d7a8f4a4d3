package push_test

import (
	"fmt"
	"testing"

	"github.com/tidewire/tidewire/push"
)

var benchPosition = push.Position{Epoch: 0x9f8a6c21d0e4b735, Offset: 123456, Tag: 0x01020304}

// BenchmarkFormatCursor is paid once for each message and wire format.
func BenchmarkFormatCursor(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		push.FormatCursor("orders/42", benchPosition)
	}
}

// BenchmarkParseCursor is paid once for each client that comes back.
func BenchmarkParseCursor(b *testing.B) {
	for _, topics := range []int{1, 10, push.MaxCursorTopics} {
		b.Run(fmt.Sprint(topics, " topics"), func(b *testing.B) {
			cursor := push.JoinCursors(benchCursors(topics))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := push.ParseCursor(cursor); err != nil {
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
		push.JoinCursors(cursors)
	}
}

func benchCursors(topics int) []string {
	cursors := make([]string, topics)
	for i := range cursors {
		cursors[i] = push.FormatCursor(fmt.Sprint("orders/", i), benchPosition)
	}
	return cursors
}
