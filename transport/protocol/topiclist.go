package protocol

import (
	"fmt"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

// TopicList is what a request says of the topics that its client wants: the parameters of
// its URL or, of a POST, those of its body.
type TopicList struct {
	values      url.Values
	lastEventID string
	posted      bool
}

// FormatRaw is the value of the parameter format with which a client asks for payloads as
// they are, without frames around them.
const FormatRaw = "raw"

// MaxPostedTopics is how many topics the body of a POST may name, as a subscribe may. How
// many of them one connection follows is for push.Options.MaxTopics.
const MaxPostedTopics = maxNames

const (
	// maxPosted is the largest body of a POST that lists topics, in bytes.
	maxPosted = 64 << 10
	// maxPostedParameters is how many parameters it may have: a cursor for each topic, and
	// what is said once.
	maxPostedParameters = 2*MaxPostedTopics + 10
	// maxEcho is how much of a topic that can't be one is told back, in bytes.
	maxEcho = 1 << 10
)

// TopicListOf reads the list in a request's URL. A Last-Event-ID header wins over a cursor
// there.
func TopicListOf(r *http.Request) (TopicList, *push.Error) {
	query, e := Query(r)
	return TopicList{values: query, lastEventID: r.Header.Get("Last-Event-ID")}, e
}

// ReadTopicList is TopicListOf for a route that takes its list by POST too, in a form of
// these parameters. The body may have no others, since one that is misspelt would be lost,
// and the URL none of these. It waits for the body; then the request has been read whole.
func ReadTopicList(w http.ResponseWriter, r *http.Request, parameters ...string) (TopicList, *push.Error) {
	list, e := TopicListOf(r)
	if e != nil || r.Method != http.MethodPost {
		return list, e
	}
	for name := range list.values {
		if slices.Contains(parameters, name) {
			return list, push.NewError(push.CodeBadRequest, "a POST has "+name+" in its body, and not in its URL", nil)
		}
	}
	if e := checkForm(r); e != nil {
		return list, e
	}
	TimeBody(w)
	body, e := ReadBody(w, r, maxPosted)
	if e != nil {
		return list, e
	}
	list.posted = true
	list.values, e = parseForm(string(body), parameters)
	return list, e
}

var (
	errNoForm = push.NewError(push.CodeUnsupported,
		"the topics of a POST are a form: its Content-Type is application/x-www-form-urlencoded, in UTF-8 and not encoded", nil)
	errParsed = push.NewError(push.CodeInternal, "a middleware has read the body of this request; leave the transports' routes out", nil)
)

// checkForm refuses a body that isn't a form by its header.
func checkForm(r *http.Request) *push.Error {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return errNoForm
	}
	kind, parameters, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, said := parameters["charset"]
	switch {
	case err != nil, kind != "application/x-www-form-urlencoded", said && !strings.EqualFold(charset, "utf-8"):
		return errNoForm
	case len(r.PostForm) > 0:
		return errParsed
	default:
		return nil
	}
}

// parseForm reads a form that may have these parameters, and no others.
func parseForm(form string, parameters []string) (url.Values, *push.Error) {
	if strings.Count(form, "&") >= maxPostedParameters {
		return nil, push.NewError(push.CodeBadRequest, "the body has too many parameters", nil)
	}
	values, err := url.ParseQuery(form)
	if err != nil {
		return nil, push.NewError(push.CodeBadRequest, "the body is malformed", nil)
	}
	for name := range values {
		if !slices.Contains(parameters, name) {
			return nil, push.NewError(push.CodeBadRequest, "the body has an unknown parameter; those that are known are "+
				strings.Join(parameters, ", ")+", and those of an application stay in the URL", nil)
		}
	}
	return values, nil
}

// Follows reads which topics a URL asks for, as [TopicList.Follows] does.
func Follows(r *http.Request, most int) ([]Follow, *push.Error) {
	list, e := TopicListOf(r)
	if e != nil {
		return nil, e
	}
	return list.Follows(most)
}

// IsPosted reports whether the list is the body of a POST.
func (l TopicList) IsPosted() bool { return l.posted }

// HasCursor reports whether the list has a cursor.
func (l TopicList) HasCursor() bool {
	return slices.ContainsFunc(l.values["since"], func(since string) bool { return since != "" })
}

// HasStates reports whether the list asks for a state.
func (l TopicList) HasStates() bool { return l.values.Has("state") }

// Formats returns what the list says of the format; nil if it says nothing.
func (l TopicList) Formats() []string { return l.values["format"] }

// Follows returns the topics of the list, and from where: topic=… for logs and state=… for
// states, both repeated, since=CURSOR for all of them, and recent=N for all logs. Several
// cursors are joined to one. A version, v=1, may be there. Each topic may be named once.
//
// A topic whose name is none, and one that is named after so many others, is refused by
// itself: its Follow says so.
func (l TopicList) Follows(most int) ([]Follow, *push.Error) {
	if v := l.values["v"]; len(v) > 1 || len(v) == 1 && v[0] != version {
		return nil, push.NewError(push.CodeBadRequest, "this server speaks version "+version+" of the protocol", nil)
	}
	logs, states := l.values["topic"], l.values["state"]
	if len(logs)+len(states) > MaxPostedTopics {
		return nil, errNames
	}
	since, e := l.since()
	if e != nil {
		return nil, e
	}
	recent, e := count(l.values, "recent")
	if e != nil {
		return nil, e
	}
	tooMany := push.NewError(push.CodeLimitReached, fmt.Sprintf("at most %d topics fit one connection", most), nil)
	seen := map[string]bool{}
	follows := make([]Follow, 0, len(logs)+len(states))
	for _, topic := range slices.Concat(logs, states) {
		if seen[topic] {
			return nil, errTopicTwice
		}
		seen[topic] = true
		follow := Follow{Topic: topic, Since: since}
		if follow.State = len(follows) >= len(logs); !follow.State {
			follow.Recent = recent
		}
		if err := broker.CheckFollowed(topic); err != nil {
			follow.Refused = push.AsError(err)
			follow.Topic = topic[:min(len(topic), maxEcho)]
		} else if most--; most < 0 {
			follow.Refused = tooMany
		}
		follows = append(follows, follow)
	}
	return follows, nil
}

// since returns the cursor of all topics.
func (l TopicList) since() (string, *push.Error) {
	if l.lastEventID != "" {
		return l.lastEventID, checkSince(l.lastEventID)
	}
	since := strings.Join(slices.DeleteFunc(slices.Clone(l.values["since"]), func(s string) bool { return s == "" }), cursor.Separator)
	if l.posted {
		return since, nil // as long as a body may be
	}
	return since, checkSince(since)
}

func checkSince(since string) *push.Error {
	if len(since) > MaxSinceLength {
		return push.NewError(push.CodeBadRequest, "a cursor has at most 4096 bytes", nil)
	}
	return nil
}

// Wait returns how long the answer to the request may take: wait=N, in seconds. It is
// negative if the list doesn't say.
func (l TopicList) Wait() (time.Duration, *push.Error) {
	if !l.values.Has("wait") {
		return -1, nil
	}
	seconds, e := count(l.values, "wait")
	return time.Duration(min(int64(seconds), math.MaxInt64/int64(time.Second))) * time.Second, e
}

// count reads a parameter that is an integer from 0 to 2^53-1; 0 if it isn't given.
func count(values url.Values, name string) (int, *push.Error) {
	given := values[name]
	if len(given) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(given[0], 10, 53)
	if len(given) > 1 || err != nil {
		return 0, push.NewError(push.CodeBadRequest, name+" is a whole number, given once", nil)
	}
	return int(min(n, math.MaxInt)), nil
}
