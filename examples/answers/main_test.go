package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func memory() push.Broker { return membroker.New(membroker.Options{Topics: brokerOptions.Topics}) }

// keys are those of an answer.
func keys(t *testing.T, s *site, id string) map[string]string {
	t.Helper()
	entries, _, err := s.hub.State(t.Context(), topicPrefix+id)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for _, e := range entries {
		values[e.Key] = string(e.Data)
	}
	return values
}

func TestAnAnswerIsTheSameEachTime(t *testing.T) {
	why, what := answer("Why?"), answer("What?")
	if strings.Join(why, "") != strings.Join(answer("Why?"), "") || strings.Join(why, "") == strings.Join(what, "") {
		t.Error("answers depend on something else than the question")
	}
	if len(why) < 400 || len(why) > 1000 {
		t.Errorf("an answer has %d tokens", len(why))
	}
}

// TestHowAnswersEnd: done, failed, stopped by the one who has asked, or cut off by the end of
// the server; always with the text up to there.
func TestHowAnswersEnd(t *testing.T) {
	tests := map[string]struct {
		question string
		after    func(t *testing.T, s *site)
		status   string
		stopped  string
	}{
		"done":    {"Why?", func(*testing.T, *site) {}, `{"state":"done"}`, ""},
		"failing": {"Please fail", func(*testing.T, *site) {}, `{"state":"failed","reason":"the model lost its thread"}`, ""},
		"stopped": {"Why?", func(t *testing.T, s *site) {
			if err := s.hub.StopStream(t.Context(), topicPrefix+"1", textKey); err != nil {
				t.Error(err)
			}
		}, `{"state":"done"}`, "true"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(memory(), 100)
				defer s.close(t.Context())
				if err := s.begin(t.Context(), "1", tt.question, "secret"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) //clock:virtual
				tt.after(t, s)
				time.Sleep(20 * time.Second) //clock:virtual
				synctest.Wait()
				got, whole := keys(t, s, "1"), strings.Join(answer(tt.question), "")
				if got["text.status"] != tt.status || got[stoppedKey] != tt.stopped || got[questionKey] != tt.question {
					t.Errorf("the keys are %v", got)
				}
				if text := got[textKey]; !strings.HasPrefix(whole, text) || (text == whole) != (name == "done") || len(text) < 400 {
					t.Errorf("%d of %d bytes: %q", len(text), len(whole), text)
				}
				if len(s.slots) != 0 {
					t.Errorf("%d slots are taken", len(s.slots))
				}
			})
		})
	}
}

func TestAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(memory(), 100)
		defer s.close(t.Context())
		for range maxAnswers {
			s.slots <- struct{}{}
		}
		if err := s.begin(t.Context(), "1", "Why?", "secret"); push.AsError(err).Code != push.CodeUnavailable {
			t.Errorf("one more: %v", err)
		}
		<-s.slots
		if err := s.begin(t.Context(), "1", "Why?", "secret"); err != nil {
			t.Error(err)
		}
	})
}

// ask asks, and returns the answer's ID and the cookie of the one who has asked.
func ask(t *testing.T, s *servetest.Server, body string) (status int, id, cookie string) {
	t.Helper()
	response, err := s.Client.Post(s.URL+"/answers", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ ID string }
	if response.StatusCode == http.StatusOK && json.NewDecoder(response.Body).Decode(&answer) != nil {
		t.Fatal("the answer has no ID")
	}
	for _, c := range response.Cookies() {
		cookie = c.Name + "=" + c.Value
	}
	return response.StatusCode, answer.ID, cookie
}

func TestOnlyThoseWhoHaveAskedStopAnAnswer(t *testing.T) {
	s := servetest.Start(t, run)
	_, id, cookie := ask(t, s, `{"question":"Why?"}`)
	_, _, other := ask(t, s, `{"question":"Why?"}`)
	for _, tt := range []struct {
		name, id, cookie string
		want             int
	}{
		{"nobody", id, "", 403}, {"somebody else", id, other, 403}, {"another answer", "none", cookie, 403}, {"who has asked", id, cookie, 200},
	} {
		if status, body := s.Do(t, http.MethodPost, "/answers/"+tt.id+"/stop", "", "Cookie", tt.cookie); status != tt.want {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	for path, want := range map[string]int{
		"/push/send?topic=answers/" + id: http.StatusForbidden, "/push/publish?topic=answers/" + id + "&key=text&op=set": http.StatusForbidden,
	} {
		if status, body := s.Do(t, http.MethodPost, path, "x"); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestAQuestionIsChecked(t *testing.T) {
	s := servetest.Start(t, run)
	for body, want := range map[string]int{
		`{"question":" Why? "}`: 200, `{"question":"` + strings.Repeat("ß", maxQuestion) + `"}`: 200,
		`{"question":"` + strings.Repeat("ß", maxQuestion+1) + `"}`: 400, `{"question":" "}`: 400, `{"question":"a\nb"}`: 400, `why?`: 400, `{}`: 400,
	} {
		if status, id, _ := ask(t, s, body); status != want || (id != "") != (want == 200) {
			t.Errorf("%.40s: %d", body, status)
		}
	}
}

func TestThePageOfEveryAnswerIsUnderAStrictPolicy(t *testing.T) {
	s := servetest.Start(t, run)
	for path, want := range map[string]int{"/": 200, "/answers/x": 200, "/page.js": 200, "/site.go": 404} {
		response, err := s.Client.Get(s.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if policy := response.Header.Get("Content-Security-Policy"); response.StatusCode != want || !strings.HasPrefix(policy, "default-src 'none';") {
			t.Errorf("%s: %s, policy %q", path, response.Status, policy)
		}
	}
}

func TestStrangeHostNamesAreRefused(t *testing.T) { servetest.StrangeHostNamesAreRefused(t, run) }
