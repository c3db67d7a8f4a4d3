package protocol_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport/protocol"
)

const form = "application/x-www-form-urlencoded"

// parameters are those that a poll takes.
var parameters = []string{"topic", "state", "since", "recent", "wait", "v", "format"}

func postOf(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/poll", strings.NewReader(body))
	r.Header.Set("Content-Type", form)
	return r
}

func followsOf(r *http.Request, most int) ([]session.Follow, *push.Error) {
	list, e := protocol.ReadTopicList(httptest.NewRecorder(), r, parameters...)
	if e != nil {
		return nil, e
	}
	return list.Follows(most)
}

// TestPostedListIsThatOfTheURL: what a form has is read as what a URL has.
func TestPostedListIsThatOfTheURL(t *testing.T) {
	for _, query := range []string{
		"topic=a", "topic=a&topic=b&since=1", "topic=a&state=b&state=c&recent=20&v=1", "topic=%61%20b+c%2Bd&since=1A.1B&wait=7&format=raw",
		"topic=a&topic=a", "topic=a&recent=x", "topic=a&v=2", "topic=a&wait=x", "topic=a;b", "topic=%zz", "", "topic=&state=\xff&topic=ok",
		"topic=a&since=1&since=2&since=&since=3",
	} {
		of := func(r *http.Request) string {
			list, e := protocol.ReadTopicList(httptest.NewRecorder(), r, parameters...)
			if e != nil {
				return string(e.Code)
			}
			follows, e := list.Follows(10)
			if e != nil {
				return e.Error()
			}
			wait, waitError := list.Wait()
			for i, f := range follows {
				if f.Refused != nil {
					follows[i].Refused, follows[i].Topic = nil, f.Topic+f.Refused.Reason
				}
			}
			return fmt.Sprint(follows, wait, waitError, list.Formats(), list.HasCursor(), list.HasStates())
		}
		if posted, asked := of(postOf(query)), of(httptest.NewRequest(http.MethodGet, "/poll?"+query, nil)); posted != asked {
			t.Errorf("%q: posted %s, in the URL %s", query, posted, asked)
		}
	}
}

// TestCursorsOfAPostAreJoined: they may be longer than one in a URL.
func TestCursorsOfAPostAreJoined(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for query, want := range map[string]string{
		"since=1A&since=1B":                    "1A.1B",
		"since=&since=1A.1B&since=&since=1C":   "1A.1B.1C",
		"since=" + long + "&since=1A":          long + ".1A",
		"since=" + strings.Repeat("&since", 8): "",
	} {
		follows, e := followsOf(postOf("topic=a&"+query), 10)
		if e != nil || follows[0].Since != want {
			t.Errorf("%.40q: %.40q, %v", query, fmt.Sprint(follows), e)
		}
	}
	r := postOf("topic=a&since=1A")
	r.Header.Set("Last-Event-ID", "1B")
	if follows, e := followsOf(r, 10); e != nil || follows[0].Since != "1B" {
		t.Errorf("beside a header: %v, %v", follows, e)
	}
	r.Header.Set("Last-Event-ID", long)
	r.Body = http.NoBody
	if _, e := followsOf(r, 10); e == nil || e.Code != push.CodeBadRequest {
		t.Errorf("a long header: %v", e)
	}
}

// TestBadPosts are refused as a whole, each with its code.
func TestBadPosts(t *testing.T) {
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "topic=%d&since=&", i)
		}
		return b.String()
	}
	for _, tt := range []struct {
		name, url, kind, body string
		code                  push.Code
		reason                string
	}{
		{"a topic in the URL too", "?topic=a", form, "topic=b", push.CodeBadRequest, "topic in its body"},
		{"a topic in the URL alone", "?topic=a", form, "", push.CodeBadRequest, "topic in its body"},
		{"a cursor in the URL", "?since=1", form, "topic=a", push.CodeBadRequest, "since in its body"},
		{"a parameter of the application in the URL", "?mine=1&token=x", form, "topic=a", "", ""},
		{"a URL that is malformed", "?x=%zz", form, "topic=a", push.CodeBadRequest, "the query is malformed"},
		{"a parameter of the application in the body", "", form, "topic=a&mine=1", push.CodeBadRequest, "unknown parameter"},
		{"a ticket in the body", "", form, "topic=a&ticket=SECRET", push.CodeBadRequest, "unknown parameter"},
		{"another case", "", form, "Topic=a", push.CodeBadRequest, "unknown parameter"},
		{"a broken escape", "", form, "topic=%zz", push.CodeBadRequest, "malformed"},
		{"a semicolon", "", form, "topic=a;topic=b", push.CodeBadRequest, "malformed"},
		{"64 KiB", "", form, "topic=a&since=" + strings.Repeat("x", 64<<10-14), "", ""},
		{"more than 64 KiB", "", form, "topic=a&since=" + strings.Repeat("x", 64<<10-13), push.CodeTooLarge, "65536"},
		{"1,000 topics", "", form, many(1000), "", ""},
		{"1,001 topics", "", form, many(1001), push.CodeTooLarge, "1000 topics"},
		{"20,000 parameters", "", form, strings.Repeat("a&", 20_000), push.CodeBadRequest, "too many parameters"},
		{"as fetch has it", "", form + ";charset=UTF-8", "topic=a", "", ""},
		{"in upper case", "", "Application/X-WWW-Form-URLEncoded; Charset=utf-8", "topic=a", "", ""},
		{"another charset", "", form + "; charset=latin1", "topic=a", push.CodeUnsupported, "form"},
		{"JSON", "", "application/json", `{"topic":"a"}`, push.CodeUnsupported, "form"},
		{"text", "", "text/plain", "topic=a", push.CodeUnsupported, "form"},
		{"multipart", "", "multipart/form-data; boundary=x", "topic=a", push.CodeUnsupported, "form"},
		{"no type", "", "", "topic=a", push.CodeUnsupported, "form"},
		{"a broken type", "", form + "; charset", "topic=a", push.CodeUnsupported, "form"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/poll"+tt.url, strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		_, e := followsOf(r, 1000)
		if tt.code == "" && e != nil || tt.code != "" && (e == nil || e.Code != tt.code || !strings.Contains(e.Reason, tt.reason)) {
			t.Errorf("%s: %v", tt.name, e)
		}
		if e != nil && strings.Contains(e.Error(), "SECRET") {
			t.Errorf("%s: %v", tt.name, e)
		}
	}
	for name, change := range map[string]func(r *http.Request){
		string(push.CodeUnsupported): func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		string(push.CodeInternal):    func(r *http.Request) { _ = r.ParseForm() }, // as a middleware might
		string(push.CodeBadRequest):  func(r *http.Request) { r.ProtoMinor = 0 },  // and no length
	} {
		r := postOf("topic=a")
		change(r)
		if _, e := followsOf(r, 10); e == nil || string(e.Code) != name {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// FuzzFollows has any URL and header, and the same as the body of a POST. What is asked for
// is bounded, and each topic that isn't refused is one, once.
func FuzzFollows(f *testing.F) {
	f.Add("topic=a&topic=b&since=1", "")
	f.Add("topic=a&topic=a", "1.1")
	f.Add("topic=a&state=b&state=c&recent=20", "")
	f.Add("topic=a&recent=20", "")
	f.Add("topic=a&recent=99999999999999999999", "1")
	f.Add("topic=%61%00&x;y=%zz", strings.Repeat("x", 5000))
	f.Add("topic=%61%00&topic=&since=1&since=&wait=1&v=1&format=raw", "")
	f.Fuzz(func(t *testing.T, query, lastEventID string) {
		const most = 5
		header := http.Header{"Last-Event-Id": {lastEventID}}
		asked, askedError := protocol.Follows(&http.Request{URL: &url.URL{RawQuery: query}, Header: header}, most)
		r := postOf(query)
		r.Header.Set("Last-Event-ID", lastEventID)
		posted, postedError := followsOf(r, most)
		if askedError == nil && postedError == nil && !slices.EqualFunc(asked, posted, same) {
			t.Errorf("%q: posted %+v, in the URL %+v", query, posted, asked)
		}
		for _, e := range []*push.Error{askedError, postedError} {
			if e != nil && e.Code != push.CodeBadRequest && e.Code != push.CodeTooLarge {
				t.Errorf("refused with %v", e)
			}
		}
		for _, follows := range [][]session.Follow{asked, posted} {
			seen := map[string]bool{}
			for _, follow := range follows {
				switch {
				case len(follow.Topic) > 1024, lastEventID != "" && follow.Since != lastEventID, follow.Recent < 0, follow.State && follow.Recent > 0:
					t.Errorf("%q gives %+v", query, follow)
				case follow.Refused != nil:
					continue
				case broker.CheckFollowed(follow.Topic) != nil, seen[follow.Topic]:
					t.Errorf("%q gives %+v", query, follow)
				}
				seen[follow.Topic] = true
			}
			if len(seen) > most {
				t.Errorf("%q: %d topics", query, len(seen))
			}
		}
	})
}

func same(a, b session.Follow) bool {
	refused := (a.Refused == nil) == (b.Refused == nil)
	a.Refused, b.Refused = nil, nil
	return refused && a == b
}
