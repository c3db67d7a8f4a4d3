package websocket

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
)

// allocated tells how many bytes f allocates, at least: other goroutines may add to it.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestHostileFramesCostNothing has what a client can announce, or repeat for ever, at
// little cost of its own. Each is refused within a bound on memory that doesn't
// depend on what was announced.
func TestHostileFramesCostNothing(t *testing.T) {
	huge := func(first byte, length ...byte) []byte {
		return append(append([]byte{first, 0xFF}, length...), 1, 2, 3, 4)
	}
	const limit = 64 << 10
	bomb := strings.Repeat(deflated(t, string(make([]byte, 1<<20)))+flushTail, 1000)[:2*limit] // of more than 100 MB
	tests := []struct {
		name    string
		deflate bool
		send    []byte
		repeat  []byte // for as long as the server reads
		code    StatusCode
	}{
		{"2^62 bytes", false, huge(0x82, 0x40, 0, 0, 0, 0, 0, 0, 0), nil, StatusMessageTooBig},
		{"2^63-1 bytes", false, huge(0x82, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), nil, StatusMessageTooBig},
		{"2^63 bytes", false, huge(0x82, 0x80, 0, 0, 0, 0, 0, 0, 0), nil, StatusProtocolError},
		{"2^64-1 bytes", false, huge(0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF), nil, StatusProtocolError},
		{"2^62 bytes in a second fragment", false, append(part(opBinary, "x"), huge(0x80, 0x40, 0, 0, 0, 0, 0, 0, 0)...), nil, StatusMessageTooBig},
		{"2^62 bytes of deflate", true, huge(0xC2, 0x40, 0, 0, 0, 0, 0, 0, 0), nil, StatusMessageTooBig},
		{"as many zeros as are let in", true, rawFrame(0xC2, bomb), nil, StatusMessageTooBig},
		{"empty fragments", false, part(opText, ""), part(opContinuation, ""), StatusMessageTooBig},
		{"empty fragments of deflate", true, rawFrame(0x41, ""), part(opContinuation, ""), StatusMessageTooBig},
		{"fragments of one byte", false, part(opText, "x"), part(opContinuation, "x"), StatusMessageTooBig},
		{"fragments of one byte that inflate to nothing", true, rawFrame(0x42, "\x00"), part(opContinuation, "\x00"), StatusInvalidData},
		{"stored blocks of nothing", true, rawFrame(0x42, ""), part(opContinuation, "\x00\x00\x00\xff\xff"), StatusMessageTooBig},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, p := pipe(t, &AcceptOptions{MaxMessage: limit}, deflateParams{on: tt.deflate, sendBits: 15})
			sent := make(chan int, 1)
			go func() {
				n, err := p.Write(tt.send)
				block := bytes.Repeat(tt.repeat, 1000)
				for err == nil && tt.repeat != nil && n < 16<<20 {
					_, err = p.Write(block)
					n += len(block)
				}
				sent <- n
			}()
			go p.Rest()
			var err error
			memory := allocated(func() { _, _, err = c.Read(context.Background()) })
			if broken, ok := errors.AsType[*ProtocolError](err); !ok || broken.Code != tt.code {
				t.Errorf("error %v, want one with %d", err, tt.code)
			}
			if n := <-sent; memory > 1<<20 {
				t.Errorf("%d bytes were allocated for %d that were sent", memory, n)
			}
		})
	}
}
