package sim

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// writeText writes one text frame, masked with zeros.
func writeText(w io.Writer, text []byte) error {
	frame := []byte{0x81, 0x80 | byte(len(text))}
	if len(text) > 125 {
		frame[1] = 0x80 | 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(text)))
	}
	_, err := w.Write(append(append(frame, 0, 0, 0, 0), text...))
	return err
}

// simFrame is a frame as a client sees it.
type simFrame struct {
	Type      string          `json:"type"`
	Topic     string          `json:"topic"`
	ID        json.RawMessage `json:"id"`
	Data      string          `json:"data"`
	Cursor    string          `json:"cursor"`
	At        string          `json:"at"`
	Reason    string          `json:"reason"`
	Code      string          `json:"code"`
	Heartbeat int             `json:"heartbeat"`
	Topics    json.RawMessage `json:"topics"`
	Last      *simPosition    `json:"last"`
	Now       *simPosition    `json:"now"`
	Changes   []simChange     `json:"changes"`
	Epoch     string          `json:"epoch"`

	eventID string // of an event stream
}

// simChange is what becomes of a key of a state.
type simChange struct {
	Key     string          `json:"key"`
	Op      string          `json:"op"`
	Start   int             `json:"start"`
	Version uint64          `json:"version"`
	Data    json.RawMessage `json:"data"`
}

// value is what the data stands for: a text, or JSON as it is.
func (c *simChange) value() string {
	var text string
	if json.Unmarshal(c.Data, &text) != nil {
		return string(c.Data)
	}
	return text
}

// isText reports whether the data is a text; JSON values are objects here.
func (c *simChange) isText() bool { return len(c.Data) > 0 && c.Data[0] == '"' }

type simPosition struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// is reports whether this is a position on the wire; nil is the zero position.
func (p *simPosition) is(at broker.Position) bool {
	if p == nil {
		return at.IsZero()
	}
	return p.Epoch == at.Epoch.String() && p.Offset == at.Offset
}

// simAnswer is the answer for a topic that a client asked for.
type simAnswer struct {
	Topic  string      `json:"topic"`
	From   string      `json:"from"`
	Cursor string      `json:"cursor"`
	Kind   string      `json:"kind"`
	Epoch  string      `json:"epoch"`
	Error  *push.Error `json:"error"`
}

// readResponse reads the head of a response, and returns the reader of its frames.
func (c *simClient) readResponse(r *bufio.Reader, sse bool) (func() (simFrame, error), error) {
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case sse && response.StatusCode == http.StatusOK:
		lines := bufio.NewReader(response.Body)
		return func() (simFrame, error) { return c.readEvent(lines) }, nil
	case response.StatusCode == http.StatusSwitchingProtocols:
		return func() (simFrame, error) { return readFrame(r) }, nil
	default:
		return nil, fmt.Errorf("status %d", response.StatusCode)
	}
}

// readFrame reads a frame of a WebSocket.
func readFrame(r *bufio.Reader) (f simFrame, err error) {
	head := make([]byte, 8)
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return f, err
	}
	op, length := head[0]&15, uint64(head[1])
	switch length {
	case 126:
		_, err = io.ReadFull(r, head[:2])
		length = uint64(binary.BigEndian.Uint16(head))
	case 127:
		_, err = io.ReadFull(r, head)
		length = binary.BigEndian.Uint64(head)
	}
	if err != nil {
		return f, err
	}
	payload := make([]byte, length)
	if _, err := io.ReadFull(r, payload); err != nil {
		return f, err
	}
	if op != 1 {
		return f, fmt.Errorf("closed: %q", payload)
	}
	return f, json.Unmarshal(payload, &f)
}

// readEvent reads an event with data.
func (c *simClient) readEvent(r *bufio.Reader) (f simFrame, err error) {
	id := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return f, err
		}
		switch field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); field {
		case "id":
			id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &f); err != nil {
				return f, err
			}
		case "":
			if f.Type != "" {
				f.eventID = id
				return f, nil
			}
			if id != "" {
				c.keepID(id)
			}
		}
	}
}

// keepID does what an EventSource does with an id that comes alone.
func (c *simClient) keepID(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.lastID = id
	}
}
