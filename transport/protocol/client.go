package protocol

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/tidewire/tidewire/push"
)

// Request is a frame from a client. Type says which of the other fields are
// set.
type Request struct {
	Type string
	ID   uint64

	Follows []Follow // subscribe
	Topics  []string // unsubscribe

	// send
	Topic, Event, Message string
	Data                  []byte
	Encoding              push.Encoding
}

// MaxRequestID is the largest id of a request: exact in JavaScript.
const MaxRequestID = 1<<53 - 1

// MalformedError is a frame that no client of the protocol would send. The
// connection can't go on.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "protocol: malformed frame: " + e.Reason }

// requestError is the answer to a request that can't be understood.
func requestError(format string, args ...any) error {
	return push.NewError(push.CodeBadRequest, fmt.Sprintf(format, args...), nil)
}

// quoted is a word of a client's, no more of it than helps.
func quoted(word string) string {
	const most = 40
	return strconv.Quote(word[:min(len(word), most)])
}

// clientFields are the fields of each frame from a client.
var clientFields = map[string][]string{
	TypeSubscribe:   {"type", "id", "topics"},
	TypeUnsubscribe: {"type", "id", "topics"},
	TypeSend:        {"type", "id", "topic", "event", "message", "encoding", "data"},
	TypePing:        {"type"},
	TypePong:        {"type"},
}

// clientKeys are the keys of all frames from a client, and of what is in them.
var clientKeys = []string{"type", "id", "topics", "topic", "since", "recent", "kind", "event", "message", "encoding", "data"}

var serverTypes = []string{
	TypeWelcome, TypeMessage, TypeGap, TypeState, TypeSynced, TypeReset, TypeSubscribed, TypeUnsubscribed, TypeReply, TypeError, TypeReconnect,
}

// ParseRequest reads a frame from a client, strictly. The error is a
// *MalformedError, after which the connection must end, or a *push.Error that
// answers this request; its ID is then set if it could be read.
func ParseRequest(frame []byte) (Request, error) {
	v, err := parse(frame)
	if err != nil {
		return Request{}, err
	}
	var r Request
	id, idOK := v.field("id").number()
	if idOK = idOK && id <= MaxRequestID; idOK {
		r.ID = id // whoever chose another finds the answer by its order
	}
	r.Type, _ = v.field("type").str()
	if slices.Contains(serverTypes, r.Type) {
		return r, &MalformedError{"only a server sends this type"}
	}
	fields, known := clientFields[r.Type]
	if !known {
		return r, requestError("the type %s is unknown; a client's are subscribe, unsubscribe, send, ping and pong", quoted(r.Type))
	}
	for _, part := range v.parts {
		if !slices.Contains(fields, part.key) {
			return r, requestError("%s has no field %s", r.Type, quoted(part.key))
		}
	}
	if !idOK {
		return r, requestError("id isn't an integer from 0 to 2^53-1")
	}
	switch r.Type {
	case TypeSubscribe:
		err = r.fillFollows(v.field("topics"))
	case TypeUnsubscribe:
		err = r.fillTopics(v.field("topics"))
	case TypeSend:
		err = r.fillMessage(v)
	}
	return r, err
}

func (r *Request) fillFollows(topics value) error {
	seen := map[string]bool{}
	return eachTopic(topics, func(entry value) error {
		f, err := follow(entry)
		switch {
		case err != nil:
			return err
		case len(f.Since) > MaxSinceLength:
			return push.NewError(push.CodeBadRequest, "a cursor has at most 4096 bytes", nil)
		case seen[f.Topic]:
			return push.NewError(push.CodeBadRequest, "a topic is named twice", nil)
		}
		seen[f.Topic] = true
		r.Follows = append(r.Follows, f)
		return nil
	})
}

// follow reads an entry of a subscribe.
func follow(entry value) (f Follow, err error) {
	if !entry.starts('{') && !entry.isNull() {
		return f, requestError(`the topics of a subscribe are objects, as in {"topic":"a"}`)
	}
	for _, part := range entry.parts {
		ok := false
		switch part.key {
		case "topic":
			f.Topic, ok = part.str()
		case "since":
			f.Since, ok = part.str()
		case "recent":
			var n uint64
			n, ok = part.number()
			f.Recent, ok = int(min(n, math.MaxInt)), ok && n <= MaxRequestID
		case "kind":
			var kind string
			kind, ok = part.str()
			f.State, ok = kind == kindState, ok && (kind == "" || kind == kindState)
		}
		if !ok {
			return f, requestError("a topic of a subscribe has topic, since, recent and kind, and %s is none of them, or of another kind", quoted(part.key))
		}
	}
	if f.State && f.Recent > 0 {
		return f, requestError("a state topic has no recent messages")
	}
	return f, nil
}

func (r *Request) fillTopics(topics value) error {
	return eachTopic(topics, func(entry value) error {
		topic, ok := entry.str()
		if !ok {
			return requestError(`the topics of an unsubscribe are names, as in ["a"]`)
		}
		r.Topics = append(r.Topics, topic)
		return nil
	})
}

// maxNames is how many topics a request may name. More is refused before anything is
// done about one of them.
const maxNames = 1000

var errNames = push.NewError(push.CodeTooLarge, "a request names at most 1000 topics", nil)

// eachTopic takes the topics of a request, which must name one.
func eachTopic(topics value, take func(value) error) error {
	if !topics.starts('[') {
		return requestError("topics isn't a list")
	}
	n := 0
	err := topics.each(func(entry value) error {
		if n++; n > maxNames {
			return errNames
		}
		return take(entry)
	})
	if err == nil && n == 0 {
		return requestError("topics names none")
	}
	return err
}

func (r *Request) fillMessage(v value) error {
	var text [4]string
	for i, key := range []string{"topic", "event", "message", "encoding"} {
		var ok bool
		if text[i], ok = v.field(key).str(); !ok {
			return requestError("%s isn't a string", key)
		}
	}
	r.Topic, r.Event, r.Message = text[0], text[1], text[2]
	return r.fillData(text[3], v.field("data"))
}

// fillData reads a payload: a string is text, or binary data with a mark, and any other
// value is JSON.
func (r *Request) fillData(encoding string, data value) error {
	switch {
	case data.text == nil:
		return requestError("a send has no data")
	case encoding != "" && encoding != encodingBase64:
		return requestError("the encoding %s is unknown; base64 is the only one", quoted(encoding))
	case data.starts('"'):
	case encoding != "":
		return requestError("data isn't a string, and its encoding is base64")
	default:
		r.Data, r.Encoding = bytes.Clone(data.text), push.EncodingJSON
		return nil
	}
	text, ok := data.str()
	switch {
	case !ok:
		return requestError("data isn't a string")
	case encoding == "":
		r.Data = []byte(text)
		return nil
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return push.NewError(push.CodeBadRequest, "data is not base64", nil)
	}
	r.Data, r.Encoding = decoded, push.EncodingBinary
	return nil
}
