package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport"
	"github.com/tidewire/tidewire/transport/upload"
)

//go:embed page
var page embed.FS

const (
	uploadsTopic = "uploads" // has a key for each upload
	maxFile      = 1 << 30
	maxAll       = 4 << 30

	keepMoving = 5 * time.Minute // how long an upload is shown that doesn't go on
	keepEnded  = time.Minute
)

var topics = []push.TopicRule{{Pattern: uploadsTopic, State: true, Interval: 100 * time.Millisecond}}

// shelf is the server.
type shelf struct {
	hub     *push.Hub
	store   *upload.Dir
	uploads *upload.Handler
	temp    string // to be removed at the end; empty if the folder stays
}

// openShelf begins to take files, into dir. close has to be called.
func openShelf(broker push.Broker, dir string) (*shelf, error) {
	s := &shelf{hub: push.New(broker, push.Options{
		Authorize: push.Rules(push.Rule{Pattern: uploadsTopic, Follow: push.Anyone}),
	})}
	var err error
	if dir == "" {
		s.temp, err = os.MkdirTemp("", "tidewire-upload-")
		dir = s.temp
	}
	if err == nil {
		s.store, err = upload.NewDir(dir, upload.DirOptions{MaxBytes: maxAll})
	}
	if err != nil {
		return nil, errors.Join(err, s.close(context.Background()))
	}
	s.uploads = upload.New(s.hub, upload.Options{
		Store: s.store, Finish: finish, Progress: s.progress, MaxSize: maxFile,
		// This is a demonstration: everyone is anonymous, and welcome.
		Authorize: func(context.Context, upload.Upload) error { return nil },
	})
	return s, nil
}

func (s *shelf) close(ctx context.Context) error {
	err := s.hub.Shutdown(ctx)
	if s.store != nil {
		err = errors.Join(err, s.store.Close())
	}
	if s.temp != "" {
		err = errors.Join(err, os.RemoveAll(s.temp))
	}
	return err
}

// finish makes the reply. A real application would move the file to where it is to stay.
func finish(ctx context.Context, _ upload.Upload, content io.ReadSeeker) (push.Reply, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, &cancelled{ctx, content}); err != nil {
		return push.Reply{}, err
	}
	return push.JSON(map[string]string{"sha256": hex.EncodeToString(sum.Sum(nil))})
}

// cancelled reads until a context ends.
type cancelled struct {
	ctx context.Context
	io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}

// shown is what all visitors see of an upload.
type shown struct {
	Name   string       `json:"name"`
	Size   int64        `json:"size"`
	Offset int64        `json:"offset"`
	Phase  upload.Phase `json:"phase"`
}

// keyOf names an upload to those who mustn't know its ID.
func keyOf(u upload.Upload) string {
	sum := sha256.Sum256([]byte(u.ID))
	return hex.EncodeToString(sum[:8])
}

func (s *shelf) progress(ctx context.Context, u upload.Upload) {
	m := push.Message{Topic: uploadsTopic, Key: keyOf(u)}
	change := s.hub.Delete
	if u.Phase != upload.PhaseCancelled {
		change = s.hub.Set
		m.Encoding, m.TTL = push.EncodingJSON, keepEnded
		if u.Phase == upload.PhaseReceiving {
			m.TTL = keepMoving
		}
		m.Data, _ = json.Marshal(shown{u.Name, u.Size, u.Offset, u.Phase}) // it has strings and numbers
	}
	if _, err := change(ctx, m); err != nil {
		slog.Warn("progress wasn't told", "error", err)
	}
}

func (s *shelf) routes() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the name is a constant
	}
	r := chi.NewRouter()
	r.Mount("/push", transport.Routes(s.hub))
	r.Handle("/uploads", s.uploads)
	r.With(slowly).Handle("/slow/uploads", s.uploads)
	r.Handle("/*", serve.Page(files))
	return r
}
