package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func TestLinesArePublished(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	var out strings.Builder
	url := "redis://" + server.Addr()
	if err := run(t.Context(), []string{"-redis", url, "-topic", "job/42"}, strings.NewReader("one\ntwo\n"), &out); err != nil {
		t.Fatal(err)
	}
	if out.String() != "job/42 1\njob/42 2\n" {
		t.Errorf("printed %q", out.String())
	}
	client := redis.NewClient(server.Options())
	defer client.Close()
	b := redisbroker.New(client)
	defer b.Close(context.Background())
	page, err := b.Recent(t.Context(), "job/42", broker.Limit{Messages: 10})
	if err != nil || len(page.Messages) != 2 || string(page.Messages[1].Data) != "two" {
		t.Errorf("stored %+v, %v", page, err)
	}
	asJSON := []string{"-redis", url, "-topic", "job/43", "-json"}
	err = run(t.Context(), asJSON, strings.NewReader("{ \"done\": 0.5 }\nhalf\n\"never\"\n"), &out)
	if !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("a line that isn't JSON: %v", err)
	}
	page, err = b.Recent(t.Context(), "job/43", broker.Limit{Messages: 10})
	if err != nil || len(page.Messages) != 1 || page.Messages[0].Encoding != push.EncodingJSON || string(page.Messages[0].Data) != `{"done":0.5}` {
		t.Errorf("stored as JSON %+v, %v", page, err)
	}
	err = run(t.Context(), []string{"-redis", url, "-topic", "job/42", "-replicated", "-attempts", "1"}, strings.NewReader("three\n"), &out)
	if !errors.Is(err, push.CodeNotReplicated) {
		t.Errorf("without a replica: %v", err)
	}
}

// flaky stores, and loses its first answers.
type flaky struct {
	fails int
	ids   map[string]bool
}

func (f *flaky) Publish(_ context.Context, m push.Message) (push.Receipt, error) {
	f.ids[m.ID] = true
	if f.fails--; f.fails >= 0 {
		return push.Receipt{}, push.CodeUnavailable
	}
	return push.Receipt{ID: m.ID}, nil
}

func TestALineIsPublishedAgainWithItsID(t *testing.T) {
	f := &flaky{fails: 1, ids: map[string]bool{}}
	if _, err := publish(t.Context(), f, push.Message{ID: "one"}, 2); err != nil || len(f.ids) != 1 {
		t.Errorf("%v, IDs %v", err, f.ids)
	}
}

func TestWithoutATopicItRefuses(t *testing.T) {
	if err := run(t.Context(), nil, strings.NewReader(""), nil); err == nil {
		t.Error("no error")
	}
}

// TestSIGTERMWhileWaiting: input that never comes, and never ends, holds nothing up.
func TestSIGTERMWhileWaiting(t *testing.T) {
	server, err := redistest.Start(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	input, line := io.Pipe()
	defer line.Close()
	printed, out := io.Pipe()
	ctx, terminate := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-redis", "redis://" + server.Addr(), "-topic", "a"}, input, out) }()
	if _, err := io.WriteString(line, "one\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(printed).ReadString('\n'); got != "a 1\n" {
		t.Errorf("printed %q, %v", got, err)
	}
	terminate()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
