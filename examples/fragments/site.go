package main

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/protocol"
)

var (
	//go:embed page
	page embed.FS
	//go:embed templates
	templateFiles embed.FS

	templates = template.Must(template.ParseFS(templateFiles, "templates/*.html"))
)

const (
	topic   = "lines"
	event   = "line"
	shown   = 50      // lines of a page that is loaded
	maxForm = 8 << 10 // bytes
)

// brokerOptions keep lines for a day.
var brokerOptions = redisbroker.Options{
	Topics: []push.TopicRule{{Pattern: topic, History: broker.History{Age: 24 * time.Hour}}},
}

// site is the server.
type site struct{ hub *push.Hub }

func newSite(broker push.Broker) *site {
	return &site{push.New(broker, push.Options{Authorize: push.Rules(push.Rule{Pattern: topic, Follow: push.Anyone})})}
}

func (s *site) routes() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(s.hub))
	r.Group(func(r chi.Router) {
		r.Use(serve.Strict, http.NewCrossOriginProtection().Handler)
		r.Get("/", s.list("index.html"))
		r.Get("/lines", s.list("lines"))
		r.Post("/lines", s.post)
		r.Handle("/*", http.FileServerFS(files))
	})
	return r
}

// list is what a page starts from: the newest lines, newest first, and the event stream that
// continues right after them.
type list struct {
	Lines  []template.HTML
	Stream string // its URL
	Form   form
}

// list serves a template with the newest lines.
func (s *site) list(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		messages, cursor, err := s.hub.Recent(r.Context(), topic, shown)
		if err != nil {
			protocol.WriteError(w, r, push.AsError(err))
			return
		}
		l := list{Stream: "/push/sse?" + url.Values{"topic": {topic}, "format": {"raw"}, "since": {cursor}}.Encode()}
		for _, m := range slices.Backward(messages) {
			l.Lines = append(l.Lines, template.HTML(m.Data)) //nolint:gosec // rendered by post, which alone publishes here
		}
		render(w, http.StatusOK, name, l)
	}
}

// post publishes a line, and answers with the form that the page is to show next.
func (s *site) post(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the form can't be read", http.StatusBadRequest)
		return
	}
	f := form{Name: r.PostForm.Get("name"), Text: r.PostForm.Get("text")}
	line, problem := f.line(time.Now())
	if problem != "" {
		f.Problem = problem
		render(w, http.StatusUnprocessableEntity, "form", f)
		return
	}
	if err := s.publish(r.Context(), line); err != nil {
		protocol.WriteError(w, r, push.AsError(err))
		return
	}
	render(w, http.StatusOK, "form", form{Name: line.Name})
}

func (s *site) publish(ctx context.Context, l line) error {
	var fragment bytes.Buffer
	if err := templates.ExecuteTemplate(&fragment, "line", l); err != nil {
		return err
	}
	_, err := s.hub.Publish(ctx, push.Message{Topic: topic, Event: event, Data: fragment.Bytes()})
	return err
}

func render(w http.ResponseWriter, status int, name string, data any) {
	var html bytes.Buffer
	if err := templates.ExecuteTemplate(&html, name, data); err != nil {
		http.Error(w, "this page can't be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = html.WriteTo(w) // a client that has gone needs no answer
}
