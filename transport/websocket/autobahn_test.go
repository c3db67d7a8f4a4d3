package websocket

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// autobahnPatience bounds the heavy cases, to which the suite itself gives minutes.
const autobahnPatience = 3 * time.Minute

// autobahnCase is a case of the public Autobahn test suite, by its number there.
// Where the suite takes more than one outcome, this has the strict one alone.
// "Non-strict" and "unclean" count as failed: a server ends with a close frame of
// the right code and by closing TCP first.
type autobahnCase struct {
	number string
	steps  []autobahnStep
}

// autobahnStep is what the client sends, and what it must have got, exactly,
// before it goes on.
type autobahnStep struct {
	send []byte
	chop int // octets of one write; 0: all of them
	want []string
}

func step(send []byte, want ...string) autobahnStep { return autobahnStep{send: send, want: want} }

func chopped(chop int, send []byte, want ...string) autobahnStep {
	return autobahnStep{send: send, chop: chop, want: want}
}

// closes is a case at whose end the client closes.
func closes(number string, steps ...autobahnStep) autobahnCase {
	return autobahnCase{number, append(steps, step(closeFrame(StatusNormal, ""), "close 1000", "end"))}
}

// refused is a case in which the server must close with code after the last step.
func refused(number string, code StatusCode, steps ...autobahnStep) autobahnCase {
	last := &steps[len(steps)-1]
	last.want = append(last.want, fmt.Sprintf("close %d", code), "end")
	return autobahnCase{number, steps}
}

func (tt autobahnCase) run(t *testing.T, server *httptest.Server, patience time.Duration) {
	p := dialRaw(t, server)
	p.SetDeadline(time.Now().Add(patience))
	for i, s := range tt.steps {
		chop := s.chop
		if chop == 0 {
			chop = len(s.send)
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for piece := range slices.Chunk(s.send, chop) {
				if _, err := p.Write(piece); err != nil {
					return // refused meanwhile, for what came before
				}
			}
		}()
		for _, want := range s.want {
			if got := p.event(); got != want {
				t.Fatalf("step %d: got %.80q of %d bytes, want %.80q of %d", i+1, got, len(got), want, len(want))
			}
		}
		<-sent
	}
}

// event reads what a client is told next: a whole message as in "text hello", a
// control frame as in "pong x" or "close 1000", or "end". Fragments are joined.
func (p *peer) event() string {
	var message []byte
	var typ opcode
	for {
		first, payload, err := p.Frame()
		op := opcode(first & 0xF)
		switch {
		case err == io.EOF:
			return "end"
		case err != nil:
			return "broken: " + err.Error()
		case first&^(bitFin|0xF) != 0 || (op == opContinuation) != (typ != 0) && !op.isControl():
			return fmt.Sprintf("unexpected frame %x", first)
		case op == opPong:
			return "pong " + string(payload)
		case op == opClose && len(payload) < 2:
			return "close"
		case op == opClose:
			return fmt.Sprintf("close %d", binary.BigEndian.Uint16(payload))
		case op != opContinuation:
			typ = op
		}
		message = append(message, payload...)
		if first&bitFin != 0 {
			return MessageType(typ).String() + " " + string(message)
		}
	}
}

// fragmented cuts a message to frames of size bytes.
func fragmented(op opcode, payload string, size int) []byte {
	var all []byte
	for len(payload) > size {
		all = append(all, part(op, payload[:size])...)
		op, payload = opContinuation, payload[size:]
	}
	return append(all, fin(op, payload)...)
}

// repeated is n bytes of pattern, again and again.
func repeated(pattern string, n int) string {
	return strings.Repeat(pattern, n/len(pattern)+1)[:n]
}

// autobahnCounts is how many cases each group of the suite has. Its group 8 is
// empty, and it has no group 11.
var autobahnCounts = map[string]int{
	"1": 16, "2": 11, "3": 7, "4": 10, "5": 20, "6": 145, "7": 37, "9": 54, "10": 1, "12": 90, "13": 126,
}

// autobahnCases yields all of them but those with compression.
func autobahnCases(yield func(autobahnCase) bool) {
	for _, tt := range slices.Concat(autobahnFrames(), autobahnUTF8(), autobahnClosing()) {
		if !yield(tt) {
			return
		}
	}
	autobahnLimits(yield)
}

func TestAutobahn(t *testing.T) {
	opts := &AcceptOptions{MaxMessage: 16 << 20}
	whole := serve(t, opts, func(c *Conn) { echoWhole(c) })
	stream := serve(t, opts, func(c *Conn) { echoStream(c) })
	largeStream := serve(t, opts, func(c *Conn) { echoPieces(c, 10_000) }) // for megabytes

	passed, seen := map[string]int{}, map[string]bool{}
	for tt := range autobahnCases {
		if seen[tt.number] {
			t.Errorf("case %s is there twice, which may hide that another is missing", tt.number)
		}
		seen[tt.number] = true
		group, _, _ := strings.Cut(tt.number, ".")
		pieces, limit := stream, patience
		if group == "9" {
			pieces, limit = largeStream, autobahnPatience
		}
		ok := t.Run(tt.number, func(t *testing.T) {
			t.Run("whole", func(t *testing.T) { tt.run(t, whole, limit) })
			t.Run("stream", func(t *testing.T) { tt.run(t, pieces, limit) })
		})
		if ok {
			passed[group]++
		}
	}
	wantAutobahnCounts(t, passed, "1", "2", "3", "4", "5", "6", "7", "9", "10")
}

// wantAutobahnCounts tells how many cases of each group have passed, which must be
// all of them.
func wantAutobahnCounts(t *testing.T, passed map[string]int, groups ...string) {
	t.Helper()
	for _, group := range groups {
		t.Logf("group %s: %d of %d cases passed", group, passed[group], autobahnCounts[group])
		if passed[group] != autobahnCounts[group] {
			t.Errorf("group %s: %d cases passed, want %d", group, passed[group], autobahnCounts[group])
		}
	}
	if len(passed) != len(groups) {
		t.Errorf("groups %v, want %v", slices.Sorted(maps.Keys(passed)), groups)
	}
}
