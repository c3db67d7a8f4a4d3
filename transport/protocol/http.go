package protocol

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push"
)

// maxQuery is the longest query of a URL: the topics that one connection may
// follow, percent-encoded, and a cursor.
const maxQuery = 48 << 10

// maxParameters is how many parameters a query may have: those topics, and what an
// application adds.
const maxParameters = 200

// SetHeaders sets the headers that every answer has: it is for one client, at
// this moment, and nothing else.
func SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// WriteError answers a request with an error: the status of its code and a JSON
// body.
func WriteError(w http.ResponseWriter, e *push.Error) {
	after := e.After
	switch e.Code.HTTPStatus() {
	case http.StatusServiceUnavailable:
		after = max(after, push.RetryAfter)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2 wants one
	}
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	WriteJSON(w, e.Code.HTTPStatus(), HTTPError(e))
}

// WriteJSON answers a request with a status and a JSON body.
func WriteJSON(w http.ResponseWriter, status int, body []byte) {
	SetHeaders(w.Header())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}

// CheckMethod refuses a request with another method than these with 405, and
// reports whether it may go on.
func CheckMethod(w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	for _, method := range methods {
		w.Header().Add("Allow", method)
	}
	WriteJSON(w, http.StatusMethodNotAllowed, HTTPError(push.Errorf(push.CodeBadRequest, "method not allowed", nil)))
	return false
}

// Query reads a request's query, strictly.
func Query(r *http.Request) (url.Values, *push.Error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, push.Errorf(push.CodeBadRequest, "the query is too long", nil)
	}
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return nil, push.Errorf(push.CodeBadRequest, "the query has too many parameters", nil)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, push.Errorf(push.CodeBadRequest, "the query is malformed", nil)
	}
	return query, nil
}

// Follows reads which topics a URL asks for, from where: topic=…, repeated, and
// since=CURSOR. A Last-Event-ID header wins over since. There may be at most
// maxTopics topics, each once.
func Follows(r *http.Request, maxTopics int) ([]push.Follow, *push.Error) {
	query, e := Query(r)
	if e != nil {
		return nil, e
	}
	topics := query["topic"]
	if len(topics) > maxTopics {
		return nil, push.Errorf(push.CodeBadRequest, fmt.Sprintf("at most %d topics fit one connection", maxTopics), nil)
	}
	since := r.Header.Get("Last-Event-ID")
	if since == "" {
		since = query.Get("since")
	}
	if len(since) > MaxSinceLength {
		return nil, push.Errorf(push.CodeBadRequest, "a cursor has at most 4096 bytes", nil)
	}
	seen := map[string]bool{}
	follows := make([]push.Follow, len(topics))
	for i, topic := range topics {
		if err := push.CheckTopic(topic); err != nil {
			return nil, push.AsError(err)
		}
		if seen[topic] {
			return nil, push.Errorf(push.CodeBadRequest, "a topic is named twice", nil)
		}
		seen[topic] = true
		follows[i] = push.Follow{Topic: topic, Since: since}
	}
	return follows, nil
}
