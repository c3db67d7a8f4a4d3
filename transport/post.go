package transport

import (
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

// sendHandler takes messages of clients that are on the event stream. Any
// instance can serve it: the request has all that is needed.
type sendHandler struct{ host *session.Host }

func (h *sendHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !protocol.CheckMethod(h.host, w, r, http.MethodPost) {
		return
	}
	reply, err := h.send(w, r)
	if err != nil {
		protocol.Refuse(h.host, w, r, push.AsError(err))
		return
	}
	protocol.WriteJSON(w, http.StatusOK, protocol.HTTPReply(reply))
}

func (h *sendHandler) send(w http.ResponseWriter, r *http.Request) (push.Reply, error) {
	identity, err := h.host.IdentifySender(r)
	if err != nil {
		return push.Reply{}, err
	}
	query, e := protocol.Parameters(r, "topic", "event", "id")
	if e != nil {
		return push.Reply{}, e
	}
	m, err := readMessage(w, r, query, maxSend)
	if err != nil {
		return push.Reply{}, err
	}
	return h.host.Inbound(r.Context(), push.Inbound{
		Identity: identity, ID: m.ID, Topic: m.Topic, Event: m.Event, Data: m.Data, Encoding: m.Encoding,
	})
}

// maxSend is what is read of a client's message at most; the hub's own limit is
// usually lower.
const maxSend = 1 << 20

// timeBody ends the wait for a body, which net/http also waits for before it
// answers a request whose body nobody has read. A connection that has brought a
// chunked body ends with its answer: net/http doesn't tell whether there was a
// Content-Length too, after which nothing may be trusted that follows (RFC 9112
// section 6.1).
func timeBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			protocol.TimeBody(w)
		}
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// readMessage makes a message of a request: the first topic, event, key and id from the
// query, data from the body.
func readMessage(w http.ResponseWriter, r *http.Request, query url.Values, limit int64) (push.Message, error) {
	if !query.Has("topic") {
		return push.Message{}, push.NewError(push.CodeBadRequest, "topic is missing in the query", nil)
	}
	encoding, e := encodingOf(r)
	if e != nil {
		return push.Message{}, e
	}
	data, e := protocol.ReadBody(w, r, limit)
	if e != nil {
		return push.Message{}, e
	}
	return push.Message{
		Topic: query.Get("topic"), Event: query.Get("event"), Key: query.Get("key"), ID: query.Get("id"),
		Data: data, Encoding: encoding,
	}, nil
}

var errMediaType = push.NewError(push.CodeUnsupported, "a body is text, JSON, or application/octet-stream, and not encoded", nil)

// encodingOf tells what a body is by its Content-Type: JSON (RFC 8259, RFC 6839 section
// 3.1), binary data, or else text. A form is what curl calls any body; it is taken as text
// as it is.
func encodingOf(r *http.Request) (push.Encoding, *push.Error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return 0, errMediaType
	}
	contentType := r.Header.Get("Content-Type")
	if contentType == "" {
		return push.EncodingText, nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return 0, errMediaType
	}
	major, _, _ := strings.Cut(kind, "/")
	switch {
	case kind == "application/json", strings.HasSuffix(kind, "+json"):
		return push.EncodingJSON, nil
	case kind == "application/octet-stream", major == "image", major == "audio", major == "video":
		return push.EncodingBinary, nil
	case major == "multipart", major == "message":
		return 0, errMediaType
	default:
		return push.EncodingText, nil
	}
}
