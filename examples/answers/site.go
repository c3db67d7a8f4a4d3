package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

//go:embed page
var page embed.FS

const (
	topicPrefix = "answers/" // before an answer's ID

	// The keys of an answer: what was asked, who may stop it, the text, and, if it was
	// stopped, that. Besides these a stream has a status; see push.Stream.
	questionKey = "question"
	askerKey    = "asker"
	textKey     = "text"
	stoppedKey  = "stopped"

	keptFor     = time.Hour
	maxQuestion = 500 // characters
	maxBody     = 4 << 10
	maxAnswers  = 100 // that are being written at the same time
)

// brokerOptions keep an answer for an hour after its last word.
var brokerOptions = redisbroker.Options{
	Topics: []push.TopicRule{{Pattern: topicPrefix + "{id}", State: true, TTL: keptFor}},
}

// site is the server.
type site struct {
	hub        *push.Hub
	tokenEvery time.Duration
	writers    sync.WaitGroup
	slots      chan struct{} // one for each answer that is being written
}

// newSite makes a site that writes so many tokens a second. Anyone may follow an answer that
// knows its ID.
func newSite(broker push.Broker, rate int) *site {
	return &site{
		hub:        push.New(broker, push.Options{Authorize: push.Rules(push.Rule{Pattern: topicPrefix + "{id}", Follow: push.Anyone})}),
		tokenEvery: time.Second / time.Duration(rate),
		slots:      make(chan struct{}, maxAnswers),
	}
}

// close fails the answers that are being written.
func (s *site) close(ctx context.Context) error {
	defer s.writers.Wait()
	return s.hub.Shutdown(ctx)
}

func (s *site) routes() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	pages := serve.Page(files)
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(s.hub))
	r.Group(func(r chi.Router) {
		r.Use(http.NewCrossOriginProtection().Handler)
		r.Post("/answers", s.postAnswer)
		r.Post("/answers/{id}/stop", s.postStop)
	})
	r.Get("/answers/{id}", func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix(r.URL.Path, pages).ServeHTTP(w, r) // the page at / shows every answer
	})
	r.Handle("/*", pages)
	return r
}

// postAnswer begins the answer to the question in the body, and says its ID at once.
func (s *site) postAnswer(w http.ResponseWriter, r *http.Request) {
	var body struct{ Question string }
	if json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body) != nil {
		http.Error(w, `the body is {"question":…}`, http.StatusBadRequest)
		return
	}
	question := strings.TrimSpace(body.Question)
	if n := utf8.RuneCountInString(question); n == 0 || n > maxQuestion || strings.ContainsFunc(question, unicode.IsControl) {
		http.Error(w, "a question has 1 to 500 characters, on one line", http.StatusBadRequest)
		return
	}
	id := rand.Text()
	if err := s.begin(r.Context(), id, question, askerOf(w, r)); err != nil {
		protocol.WriteError(w, r, push.AsError(err))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]string{"id": id}) // a client that has gone can't know of its answer
}

// begin begins an answer. What writes it doesn't depend on the request.
func (s *site) begin(ctx context.Context, id, question string, who asker) error {
	select {
	case s.slots <- struct{}{}:
	default:
		return push.NewError(push.CodeUnavailable, "too many answers are being written", nil)
	}
	stream, err := s.open(ctx, topicPrefix+id, question, who)
	if err != nil {
		<-s.slots
		return err
	}
	s.writers.Go(func() {
		defer func() { <-s.slots }()
		s.write(stream, topicPrefix+id, question)
	})
	return nil
}

func (s *site) open(ctx context.Context, topic, question string, who asker) (*push.Stream, error) {
	for key, value := range map[string]string{questionKey: question, askerKey: who.hash()} {
		if _, err := s.hub.Set(ctx, push.Message{Topic: topic, Key: key, Data: []byte(value)}); err != nil {
			return nil, err
		}
	}
	return s.hub.Stream(ctx, topic, textKey)
}

// postStop asks the writer of an answer to stop, on whatever instance it is, for the one who
// has asked.
func (s *site) postStop(w http.ResponseWriter, r *http.Request) {
	topic := topicPrefix + r.PathValue("id")
	entries, _, err := s.hub.State(r.Context(), topic)
	if err == nil && !askedBy(r, entries) {
		err = push.NewError(push.CodeForbidden, "only those who have asked may stop the answer", nil)
	}
	if err == nil {
		err = s.hub.StopStream(r.Context(), topic, textKey)
	}
	if err != nil {
		protocol.WriteError(w, r, push.AsError(err))
	}
}
