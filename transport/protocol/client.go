package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/tidewire/tidewire/push"
)

// Request is a frame from a client. Type says which of the other fields are
// set.
type Request struct {
	Type string
	ID   uint64

	Follows []push.Follow // subscribe
	Topics  []string      // unsubscribe

	// send
	Topic, Event, Message string
	Data                  []byte
	Binary                bool
}

// MaxRequestID is the largest id of a request: exact in JavaScript.
const MaxRequestID = 1<<53 - 1

// MalformedError is a frame that no client of the protocol would send. The
// connection can't go on.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "protocol: malformed frame: " + e.Reason }

var errRequest = push.Errorf(push.CodeBadRequest, "unknown type or field, or a value of the wrong kind", nil)

// clientFields are the fields of each frame from a client.
var clientFields = map[string][]string{
	TypeSubscribe:   {"type", "id", "topics"},
	TypeUnsubscribe: {"type", "id", "topics"},
	TypeSend:        {"type", "id", "topic", "event", "message", "encoding", "data"},
	TypePing:        {"type"},
	TypePong:        {"type"},
}

var serverTypes = []string{
	TypeWelcome, TypeMessage, TypeGap, TypeSubscribed, TypeUnsubscribed, TypeReply, TypeError, TypeReconnect,
}

// clientFrame is any frame from a client, after its keys were checked.
type clientFrame struct {
	Type     string          `json:"type"`
	ID       uint64          `json:"id"`
	Topics   json.RawMessage `json:"topics"`
	Topic    string          `json:"topic"`
	Event    string          `json:"event"`
	Message  string          `json:"message"`
	Encoding string          `json:"encoding"`
	Data     *string         `json:"data"`
}

// ParseRequest reads a frame from a client, strictly. The error is a
// *MalformedError, after which the connection must end, or a *push.Error that
// answers this request; its ID is then set if it could be read.
func ParseRequest(frame []byte) (Request, error) {
	keys, err := checkShape(frame)
	if err != nil {
		return Request{}, err
	}
	var head struct {
		Type json.RawMessage `json:"type"`
		ID   json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(frame, &head); err != nil {
		return Request{}, &MalformedError{"not an object"}
	}
	var r Request
	if json.Unmarshal(head.ID, &r.ID) != nil || r.ID > MaxRequestID {
		r.ID = 0 // whoever chose such an id finds the answer by its order
	}
	if json.Unmarshal(head.Type, &r.Type) != nil {
		return r, errRequest
	}
	if slices.Contains(serverTypes, r.Type) {
		return r, &MalformedError{"only a server sends this type"}
	}
	fields, known := clientFields[r.Type]
	if !known {
		return r, errRequest
	}
	for _, key := range keys {
		if !slices.Contains(fields, key) {
			return r, errRequest
		}
	}
	var f clientFrame
	if err := json.Unmarshal(frame, &f); err != nil || f.ID > MaxRequestID {
		return r, errRequest
	}
	return r, r.fill(f)
}

// fill takes the fields of the request's type.
func (r *Request) fill(f clientFrame) error {
	switch r.Type {
	case TypeSubscribe:
		return r.fillFollows(f.Topics)
	case TypeUnsubscribe:
		if json.Unmarshal(f.Topics, &r.Topics) != nil || len(r.Topics) == 0 {
			return errRequest
		}
	case TypeSend:
		if f.Data == nil {
			return errRequest
		}
		r.Topic, r.Event, r.Message, r.Data = f.Topic, f.Event, f.Message, []byte(*f.Data)
		switch f.Encoding {
		case "":
		case encodingBase64:
			data, err := base64.StdEncoding.Strict().DecodeString(*f.Data)
			if err != nil {
				return push.Errorf(push.CodeBadRequest, "data is not base64", nil)
			}
			r.Data, r.Binary = data, true
		default:
			return errRequest
		}
	}
	return nil
}

func (r *Request) fillFollows(topics json.RawMessage) error {
	var follows []struct {
		Topic string `json:"topic"`
		Since string `json:"since"`
	}
	d := json.NewDecoder(bytes.NewReader(topics))
	d.DisallowUnknownFields()
	if d.Decode(&follows) != nil || len(follows) == 0 {
		return errRequest
	}
	seen := map[string]bool{}
	for _, f := range follows {
		if len(f.Since) > MaxSinceLength {
			return push.Errorf(push.CodeBadRequest, "a cursor has at most 4096 bytes", nil)
		}
		if seen[f.Topic] {
			return push.Errorf(push.CodeBadRequest, "a topic is named twice", nil)
		}
		seen[f.Topic] = true
		r.Follows = append(r.Follows, push.Follow{Topic: f.Topic, Since: f.Since})
	}
	return nil
}

// maxDepth is how deep a frame nests: an object, its topics, an entry.
const maxDepth = 3

// checkShape walks through a frame and gives the keys of its outermost object.
// It refuses what encoding/json would let pass: keys that come twice or in
// another case, deep nesting, and anything behind the object.
func checkShape(frame []byte) (outer []string, err error) {
	d := json.NewDecoder(bytes.NewReader(frame))
	d.UseNumber()
	w := shapeWalker{decoder: d}
	if err := w.value(0, true); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, &MalformedError{"something stands behind the object"}
	}
	return w.outer, nil
}

type shapeWalker struct {
	decoder *json.Decoder
	outer   []string
}

func (w *shapeWalker) value(depth int, mustBeObject bool) error {
	token, err := w.decoder.Token()
	if err != nil {
		return &MalformedError{"not JSON"}
	}
	if mustBeObject && token != json.Delim('{') {
		return &MalformedError{"not an object"}
	}
	if _, isDelim := token.(json.Delim); isDelim && depth == maxDepth {
		return &MalformedError{"nested too deep"}
	}
	switch token {
	case json.Delim('{'):
		return w.object(depth)
	case json.Delim('['):
		for w.decoder.More() {
			if err := w.value(depth+1, false); err != nil {
				return err
			}
		}
		return w.closing()
	}
	return nil
}

func (w *shapeWalker) object(depth int) error {
	var keys []string
	for w.decoder.More() {
		token, err := w.decoder.Token()
		if err != nil {
			return &MalformedError{"not JSON"}
		}
		key, _ := token.(string)
		for _, other := range keys {
			if strings.EqualFold(key, other) {
				return &MalformedError{"a key comes twice"}
			}
		}
		if key != strings.ToLower(strings.ToUpper(key)) { // ſ is a lower-case letter that counts as s
			return &MalformedError{"a key is not in lower case"}
		}
		if len(keys) == maxKeys {
			return &MalformedError{"too many keys"}
		}
		keys = append(keys, key)
		if depth == 0 {
			w.outer = append(w.outer, key)
		}
		if err := w.value(depth+1, false); err != nil {
			return err
		}
	}
	return w.closing()
}

// maxKeys is more than any frame has.
const maxKeys = 32

func (w *shapeWalker) closing() error {
	if _, err := w.decoder.Token(); err != nil {
		return &MalformedError{"not JSON"}
	}
	return nil
}
