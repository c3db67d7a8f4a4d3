package middlewares

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// poll asks for what is there, waits for a message, and for the end of the wait where there is
// a limit.
func (s *setup) poll(version int) outcome {
	topic := fmt.Sprintf("poll%d", version)
	ask := func(since string, wait int) (cursor string, a answer) {
		a = s.do(version, http.MethodGet, fmt.Sprintf("/poll?topic=%s&since=%s&wait=%d", topic, url.QueryEscape(since), wait), "")
		var read struct{ Cursor string }
		_ = json.Unmarshal([]byte(a.body), &read) // no cursor if it isn't
		return read.Cursor, a
	}
	cursor, a := ask("", 0)
	if cursor == "" {
		return a.outcome()
	}
	answered := make(chan answer, 1)
	go func() {
		_, a := ask(cursor, 60)
		answered <- a
	}()
	s.publish(topic, "published")
	if a := <-answered; a.status != http.StatusOK || !strings.Contains(a.body, `"published"`) {
		s.Errorf("poll: answered %d %q", a.status, a.body)
		return "cut"
	}
	if s.limit == 0 {
		return works
	}
	// With nothing to tell the answer comes before the limit, or when time is up.
	wait := int(s.limit.Seconds()) + 1
	cursor, _ = ask(cursor, 0)
	if cursor, a = ask(cursor, wait); cursor == "" {
		s.Errorf("poll: a wait of %d s was answered with %d %q", wait, a.status, a.body)
		return "cut"
	}
	return works
}

func (s *setup) send(version int) outcome {
	if a := s.do(version, http.MethodPost, "/send?topic=sent", "hello"); a.status != http.StatusOK || !json.Valid([]byte(a.body)) {
		return a.outcome()
	}
	return works
}

// publishRoute publishes by POST, and looks whether the message has arrived.
func (s *setup) publishRoute(version int) outcome {
	topic := fmt.Sprintf("published%d", version)
	if a := s.do(version, http.MethodPost, "/publish?topic="+topic, "by POST"); a.status != http.StatusOK {
		return a.outcome()
	}
	response := s.getPlain("/poll?recent=1&wait=0&topic=" + topic)
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || !strings.Contains(string(body), `"by POST"`) {
		s.Errorf("publish: the topic has %q, %v", body, err)
	}
	return works
}

// refresh renews the identity of a session that is connected past the row.
func (s *setup) refresh(version int) outcome {
	response := s.getPlain("/sse?topic=refreshed")
	defer response.Body.Close()
	var welcome string
	for !strings.Contains(welcome, `"session":"`) {
		p := make([]byte, 1000)
		n, err := response.Body.Read(p)
		if err != nil {
			s.Fatal(err)
		}
		welcome += string(p[:n])
	}
	_, id, _ := strings.Cut(welcome, `"session":"`)
	id, _, _ = strings.Cut(id, `"`)
	if a := s.do(version, http.MethodPost, "/refresh?session="+id, ""); a.status != http.StatusOK && a.status != http.StatusAccepted {
		return a.outcome()
	}
	return works
}

// ticket gets a ticket, and connects by it past the row.
func (s *setup) ticket(version int) outcome {
	a := s.do(version, http.MethodPost, "/ticket", "")
	var got struct{ Ticket string }
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.Ticket == "" {
		return a.outcome()
	}
	response := s.getPlain("/sse?topic=a&ticket=" + got.Ticket)
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.Errorf("ticket: it opens nothing: %s", response.Status)
	}
	return works
}

// client loads the browser client, which must be the same as past the row.
func (s *setup) client(version int) outcome {
	a := s.do(version, http.MethodGet, "/client.mjs", "")
	if a.status != http.StatusOK {
		return a.outcome()
	}
	response := s.getPlain("/client.mjs")
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || string(body) != a.body {
		s.Errorf("client.mjs: it has %d bytes below, and %d past it, %v", len(a.body), len(body), err)
	}
	return works
}
