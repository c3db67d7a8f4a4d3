// Command tail follows topics in a terminal:
//
//	go run ./examples/tail -url http://127.0.0.1:8080/push clock news
//	go run ./examples/tail -state prices
//	go run ./examples/tail -json -since cursor.json orders/42 | jq .data
//
// Each message is one line. A line that says "gap" stands where messages were missed. With
// -since a restart goes on where the last run has ended, from any instance of the server;
// after a crash some lines may come again. It reads only, and needs no more rights than that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/transport/client"
)

func main() { serve.Main(run) }

// closeTimeout is how long the server may take to say goodbye.
const closeTimeout = time.Second

func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	flags := flag.NewFlagSet("tail", flag.ExitOnError)
	url := flags.String("url", "http://127.0.0.1:8080/push", "the `URL` of the server's routes")
	asJSON := flags.Bool("json", false, "write one JSON object a line")
	since := flags.String("since", "", "the `file` that keeps the cursors from one run to the next")
	recent := flags.Int("recent", 0, "begin with so many of a topic's last messages, where -since knows no cursor")
	state := flags.Bool("state", false, "the topics are states: show all keys, and then what becomes of them")
	token := flags.String("token", os.Getenv("TIDEWIRE_TOKEN"), "the bearer `token` to sign in with; TIDEWIRE_TOKEN of the environment is more private")
	_ = flags.Parse(args) // ExitOnError
	switch {
	case flags.NArg() == 0:
		return errors.New("tail needs topics to follow; see -help")
	case *state && (*since != "" || *recent > 0):
		return errors.New("tail: a state begins with all its keys, so there is neither -since nor -recent")
	}
	positions, err := openPositions(*since)
	if err != nil {
		return err
	}
	header := http.Header{}
	if *token != "" {
		header.Set("Authorization", "Bearer "+*token)
	}
	c, err := client.New(*url, client.Options{Header: header})
	if err != nil {
		return err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = c.Close(limit) // it has ended either way
		err = errors.Join(err, positions.close())
	}()
	t := &tail{client: c, out: newPrinter(stdout, *asJSON), positions: positions, recent: *recent}
	follow := t.followLog
	if *state {
		follow = t.followState
	}
	return t.followAll(ctx, flags.Args(), follow)
}

// tail is one run.
type tail struct {
	client    *client.Client
	out       *printer
	positions *positions
	recent    int
}

// followAll follows topics until ctx ends, or the server has refused all of them for good.
func (t *tail) followAll(ctx context.Context, topics []string, follow func(ctx context.Context, topic string) error) error {
	failures := make([]error, len(topics))
	var all sync.WaitGroup
	for i, topic := range topics {
		all.Go(func() {
			if err := follow(ctx, topic); err != nil && ctx.Err() == nil {
				failures[i] = fmt.Errorf("tail: %s: %w", topic, err)
				fmt.Fprintln(os.Stderr, failures[i])
			}
		})
	}
	all.Wait()
	return errors.Join(failures...)
}

func (t *tail) followLog(ctx context.Context, topic string) error {
	s, err := t.client.Subscribe(topic, client.SubscribeOptions{Since: t.positions.of(topic), Recent: t.recent})
	if err != nil {
		return err
	}
	if err := s.Ready(ctx); err != nil {
		return err
	}
	t.positions.move(topic, s.Cursor())
	for event, err := range s.Events(ctx) {
		if err != nil {
			return err
		}
		if err := t.out.print(lineOf(topic, event)); err != nil {
			return err
		}
		t.positions.move(topic, s.Cursor())
	}
	return nil
}

func (t *tail) followState(ctx context.Context, topic string) error {
	s, err := t.client.State(topic)
	if err != nil {
		return err
	}
	shown := &shownState{topic: topic, state: s, out: t.out, values: map[string]string{}}
	defer s.OnChange(shown.show)()
	shown.showAll()
	select {
	case <-s.Done():
		return s.Err()
	case <-ctx.Done():
		return nil
	}
}
