package websocket

import (
	"bytes"
	"testing"
	"testing/synctest"
)

// TestFloodWhileClosing: a peer that sends and sends instead of answering the close
// frame is read on for a while, but not as fast as it can send.
func TestFloodWhileClosing(t *testing.T) {
	const most = 64 << 20
	for name, flood := range map[string][]byte{
		"pings":        bytes.Repeat(fin(opPing, "x"), 500),
		"empty frames": bytes.Repeat(fin(opText, ""), 500),
		"large frames": fin(opBinary, string(make([]byte, 60_000))),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, p := pipe(t, nil, deflateParams{})
				defer p.Close()
				done := make(chan int)
				go func() {
					sent := 0
					for sent < most {
						n, err := p.Write(flood)
						sent += n
						if err != nil {
							break
						}
					}
					done <- sent
				}()
				go func() {
					for {
						if _, _, err := p.Frame(); err != nil {
							return
						}
					}
				}()
				_ = c.Close(StatusPolicyViolation, "") // it isn't answered
				sent := <-done
				frames := sent / len(flood)
				if name != "large frames" {
					frames *= 500
				}
				if sent > maxGrace+4<<20 || frames > 250_000 {
					t.Errorf("%d frames of %d bytes were read", frames, sent)
				}
			})
		})
	}
}
