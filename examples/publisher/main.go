// Command publisher is a backend service that only publishes: each line of its
// input becomes a message. It needs Redis and no hub, and serves no HTTP.
//
//	make 2>&1 | go run ./examples/publisher -redis redis://localhost:6379 -topic job/42
//
// With -json each line is a JSON value, which browsers get as that value.
//
// Browsers follow the topic at any instance on the same Redis, such as
// examples/standalone.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/examples/internal/serve"
	"github.com/tidewire/tidewire/push"
)

const (
	pause = 500 * time.Millisecond // between attempts
	// closeTimeout is how long the broker may take to finish.
	closeTimeout = 5 * time.Second
	maxLine      = 64 << 10
)

func main() {
	serve.Main(func(ctx context.Context, args []string, stdout io.Writer) error {
		return run(ctx, args, os.Stdin, stdout)
	})
}

type config struct {
	redis      string
	topic      string
	json       bool
	replicated bool
	attempts   int
}

func run(ctx context.Context, args []string, input io.Reader, stdout io.Writer) (err error) {
	var c config
	flags := flag.NewFlagSet("publisher", flag.ExitOnError)
	flags.StringVar(&c.redis, "redis", "redis://localhost:6379", "`URL` of Redis; see serve.Broker for Sentinel and Cluster")
	flags.StringVar(&c.topic, "topic", "", "the `topic` to publish to")
	flags.BoolVar(&c.json, "json", false, "publish each line as JSON; one that isn't JSON ends the program")
	flags.BoolVar(&c.replicated, "replicated", false, "wait until a replica of Redis has each message")
	flags.IntVar(&c.attempts, "attempts", 10, "how often a line is published that may not have been stored")
	_ = flags.Parse(args) // ExitOnError
	if c.topic == "" || c.redis == "" || flags.NArg() > 0 {
		return errors.New("publisher needs a -topic and a -redis; see -help")
	}
	broker, err := serve.Broker(ctx, c.redis, redisbroker.Options{})
	if err != nil {
		return err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, broker.Close(limit))
	}()
	slog.Info("started", "topic", c.topic)
	defer func() { slog.Info("stopped", "topic", c.topic, "error", err) }()
	last, cancel := context.WithCancel(context.WithoutCancel(ctx)) // of the line that is being published at the end
	defer cancel()
	context.AfterFunc(ctx, func() { time.AfterFunc(closeTimeout, cancel) })
	lines, failed := read(ctx, input)
	for {
		select {
		case <-ctx.Done():
			return nil
		case line, more := <-lines:
			if !more {
				return failed()
			}
			if err := c.publishLine(last, broker, line, stdout); err != nil {
				return err
			}
		}
	}
}

func (c config) publishLine(ctx context.Context, broker push.Broker, line []byte, stdout io.Writer) error {
	m := push.Message{ID: uuid.NewString(), Topic: c.topic, Data: line, Replicated: c.replicated}
	switch {
	case c.json:
		m.Encoding = push.EncodingJSON
	case !utf8.Valid(m.Data):
		m.Encoding = push.EncodingBinary
	}
	receipt, err := publish(ctx, broker, m, c.attempts)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s %d\n", c.topic, receipt.Position.Offset)
	return nil
}

// read returns the lines of input. When they have ended failed tells why, if that wasn't
// the input's end. A read that waits when ctx ends is left behind: nothing wakes it.
func read(ctx context.Context, input io.Reader) (lines <-chan []byte, failed func() error) {
	out := make(chan []byte)
	scanner := bufio.NewScanner(input)
	scanner.Buffer(nil, maxLine)
	go func() {
		defer close(out)
		for scanner.Scan() {
			select {
			case out <- bytes.Clone(scanner.Bytes()):
			case <-ctx.Done():
				return
			}
		}
	}()
	return out, scanner.Err
}

// publish publishes until the message is known to be stored, or never will be. Its
// ID makes another attempt safe.
func publish(ctx context.Context, to push.Publisher, m push.Message, attempts int) (receipt push.Receipt, err error) {
	for range attempts {
		receipt, err = to.Publish(ctx, m)
		if err == nil || push.AsError(err).Code.Final() {
			return receipt, err
		}
		select {
		case <-ctx.Done():
			return receipt, err
		case <-time.After(pause):
		}
	}
	return receipt, err
}
