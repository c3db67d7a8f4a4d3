package api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// maxBody is the largest body of a request, in bytes. What a message may have is the
// broker's limit.
const maxBody = 4 << 20

// readBody reads a JSON object, in which every name must be known, and there once.
func readBody(w http.ResponseWriter, r *http.Request, into any) error {
	text, e := protocol.ReadBody(w, r, maxBody)
	if e != nil {
		return e
	}
	return parse(text, into)
}

func parse(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		if e, ok := errors.AsType[*push.Error](err); ok {
			return e
		}
		return push.NewError(push.CodeBadRequest, "the body isn't the JSON object that this route takes"+cause(err)+": openapi.json has it", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return push.NewError(push.CodeBadRequest, "the body has more than one JSON object", nil)
	}
	return checkNames(text)
}

// cause names what is wrong with a body, if package json says it shortly.
func cause(err error) string {
	var text string
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		name := e.Field[strings.LastIndexByte(e.Field, '.')+1:] // without the embedded struct's
		text = fmt.Sprintf(" (%q can't be of type %s)", name, e.Value)
	} else if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		text = " (" + name + " isn't in it)"
	}
	if len(text) > 100 {
		return ""
	}
	return text
}

// encode writes an answer, whose types can all be written.
func encode(answer any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(answer); err != nil {
		panic(err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// message is a message in a request or an answer. Data is as in the frames that clients get:
// a string is text, unless encoding says otherwise, and any other value is JSON.
type message struct {
	ID       string          `json:"id,omitempty"`
	Topic    string          `json:"topic,omitempty"`
	Event    string          `json:"event,omitempty"`
	Key      string          `json:"key,omitempty"`
	Encoding string          `json:"encoding,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// The encodings of data besides what it is by itself.
const (
	encodingText   = "text"
	encodingJSON   = "json"
	encodingBase64 = "base64"
)

var (
	errData     = push.NewError(push.CodeBadRequest, "data is missing", nil)
	errEncoding = push.NewError(push.CodeBadRequest, "encoding is text, json or base64, and data of text and base64 a string", nil)
)

// read returns the message that a request means.
func (m *message) read() (push.Message, error) {
	if m.Data == nil {
		return push.Message{}, errData
	}
	read := push.Message{ID: m.ID, Topic: m.Topic, Event: m.Event, Key: m.Key}
	isString := m.Data[0] == '"'
	switch {
	case m.Encoding == encodingJSON, m.Encoding == "" && !isString:
		read.Data, read.Encoding = m.Data, push.EncodingJSON
		return read, nil
	case !isString:
		return push.Message{}, errEncoding
	}
	// Half of a surrogate pair would become another character.
	if _, err := push.EncodingJSON.Normalize(m.Data); err != nil {
		return push.Message{}, err
	}
	var text string
	if err := json.Unmarshal(m.Data, &text); err != nil {
		return push.Message{}, errEncoding
	}
	switch m.Encoding {
	case "", encodingText:
		read.Data = []byte(text)
	case encodingBase64:
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return push.Message{}, errEncoding
		}
		read.Data, read.Encoding = data, push.EncodingBinary
	default:
		return push.Message{}, errEncoding
	}
	return read, nil
}

// write sets encoding and data.
func (m *message) write(of *push.Message) {
	switch of.Encoding {
	case push.EncodingJSON:
		m.Data = of.Data
		if len(of.Data) > 0 && of.Data[0] == '"' {
			m.Encoding = encodingJSON // else it would look like text
		}
	case push.EncodingBinary:
		m.Encoding, m.Data = encodingBase64, encode(base64.StdEncoding.EncodeToString(of.Data))
	default:
		m.Data = encode(string(of.Data))
	}
}

// receipt says where a message is.
type receipt struct {
	ID        string `json:"id"`
	Epoch     string `json:"epoch"`
	Offset    uint64 `json:"offset"`
	Version   string `json:"version,omitempty"` // of a key
	Duplicate bool   `json:"duplicate,omitempty"`
}

func receiptOf(r push.Receipt) receipt {
	return receipt{ID: r.ID, Epoch: r.Position.Epoch.String(), Offset: r.Position.Offset, Duplicate: r.Duplicate}
}

var errTTL = push.NewError(push.CodeBadRequest, `a time is more than zero, as in "1h30m", or "forever"`, nil)

// duration reads a time; 0 if there is none, negative for ever.
func duration(text string) (time.Duration, error) {
	switch text {
	case "":
		return 0, nil
	case "forever":
		return -1, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, errTTL
	}
	return d, nil
}

// condition reads what a key must be for a change to hold.
func condition(m *push.Message, text string) (err error) {
	switch text {
	case "":
		return nil
	case "absent":
		m.IfAbsent = true
		return nil
	}
	if m.IfVersion, err = broker.ParseVersion(text); err != nil {
		return push.NewError(push.CodeBadRequest, "if is a version of the key, or absent", nil)
	}
	return nil
}
