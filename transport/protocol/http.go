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
	"github.com/tidewire/tidewire/push/session"
)

// maxQuery is the longest query of a URL: the topics that one connection may
// follow, percent-encoded, and a cursor.
const maxQuery = 48 << 10

// maxParameters is how many parameters a query may have: those topics, and what an
// application adds.
const maxParameters = 200

// retryAfter is what a refusal with status 503 puts into the Retry-After header at least.
const retryAfter = time.Second

// SetHeaders sets the headers that every answer has: it is for one client, at
// this moment, as it is, and nothing else. A proxy that compressed a stream would hold
// its events back.
func SetHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store, no-transform")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}

// Refuse answers a request with an error: the status of its code and a JSON body. The
// hub counts and logs it.
func Refuse(host *session.Host, w http.ResponseWriter, r *http.Request, e *push.Error) {
	RefuseAs(host, w, r, e.Code.HTTPStatus(), e)
}

// RefuseAs is Refuse with a status that says more than the code's.
func RefuseAs(host *session.Host, w http.ResponseWriter, r *http.Request, status int, e *push.Error) {
	host.Refused(r, e)
	WriteErrorAs(w, r, status, e)
}

// WriteError is Refuse where the hub needn't be told.
func WriteError(w http.ResponseWriter, r *http.Request, e *push.Error) {
	WriteErrorAs(w, r, e.Code.HTTPStatus(), e)
}

// WriteErrorAs is WriteError with a status that says more than the code's.
func WriteErrorAs(w http.ResponseWriter, r *http.Request, status int, e *push.Error) {
	writeError(w, r, status, e, HTTPError(e))
}

// WriteRefused answers a request whose topics are all refused: with the status of the first
// refusal, and a body that says what became of each topic. The hub has logged each.
func WriteRefused(w http.ResponseWriter, r *http.Request, answers []session.Followed) {
	e := session.AllRefused(answers)
	writeError(w, r, e.Code.HTTPStatus(), e, HTTPRefused(e, answers))
}

func writeError(w http.ResponseWriter, r *http.Request, status int, e *push.Error, body []byte) {
	endConnection(w, r)
	after := e.After
	switch e.Code.HTTPStatus() {
	case http.StatusServiceUnavailable:
		after = max(after, retryAfter)
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", "Bearer") // RFC 9110 section 15.5.2 wants one
	}
	if after > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((after+time.Second-1)/time.Second)))
	}
	WriteJSON(w, status, body)
}

// refusalTime is how long what is left of a refused request's body is read, so that the
// client can read the answer.
const refusalTime = time.Second

// endConnection has a request's connection closed with the answer, so that what is
// refused holds no descriptor. Over HTTP/2 the connection is also that of other
// requests, which may be those of others behind a proxy, and stays.
func endConnection(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 {
		return
	}
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusalTime)) // if w can do that
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
func CheckMethod(host *session.Host, w http.ResponseWriter, r *http.Request, methods ...string) bool {
	if slices.Contains(methods, r.Method) {
		return true
	}
	for _, method := range methods {
		w.Header().Add("Allow", method)
	}
	RefuseAs(host, w, r, http.StatusMethodNotAllowed,
		push.NewError(push.CodeBadRequest, "the method has to be "+strings.Join(methods, " or "), nil))
	return false
}

// Parameters reads a request's query that may have these parameters, each at most once,
// and no others: one that is misspelt would be ignored.
func Parameters(r *http.Request, names ...string) (url.Values, *push.Error) {
	return TopicParameters(r, 1, names...)
}

// TopicParameters is Parameters for a request that may name several topics: so many, each
// once.
func TopicParameters(r *http.Request, maxTopics int, names ...string) (url.Values, *push.Error) {
	query, e := Query(r)
	if e != nil {
		return nil, e
	}
	for name, values := range query {
		switch {
		case !slices.Contains(names, name) && len(names) == 0:
			return nil, push.NewError(push.CodeBadRequest, "the query has a parameter, and none is known here", nil)
		case !slices.Contains(names, name):
			return nil, push.NewError(push.CodeBadRequest,
				"the query has an unknown parameter; those that are known are "+strings.Join(names, ", "), nil)
		case name == "topic" && maxTopics > 1:
			if e := checkTopics(values, maxTopics); e != nil {
				return nil, e
			}
		case len(values) > 1:
			return nil, push.NewError(push.CodeBadRequest, name+" is given twice", nil)
		}
	}
	return query, nil
}

// checkTopics refuses more topics than a request may name, and one that is named twice.
func checkTopics(topics []string, most int) *push.Error {
	if len(topics) > most {
		return push.NewError(push.CodeBadRequest, fmt.Sprintf("a request publishes to at most %d topics", most), nil)
	}
	seen := make(map[string]bool, len(topics))
	for _, topic := range topics {
		if seen[topic] {
			return errTopicTwice
		}
		seen[topic] = true
	}
	return nil
}

var errTopicTwice = push.NewError(push.CodeBadRequest, "a topic is named twice", nil)

// Query reads a request's query, strictly.
func Query(r *http.Request) (url.Values, *push.Error) {
	if len(r.URL.RawQuery) > maxQuery {
		return nil, push.NewError(push.CodeBadRequest, "the query is too long", nil)
	}
	if strings.Count(r.URL.RawQuery, "&") >= maxParameters {
		return nil, push.NewError(push.CodeBadRequest, "the query has too many parameters", nil)
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, push.NewError(push.CodeBadRequest, "the query is malformed", nil)
	}
	return query, nil
}
