// Command publisher is a backend service that only publishes: each line of its
// input becomes a message. It needs Redis and no hub, and serves no HTTP.
//
//	make 2>&1 | go run ./examples/publisher -redis redis://localhost:6379 -topic job/42
//
// Browsers follow the topic at any instance on the same Redis, such as
// examples/standalone.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

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
	replicated bool
	attempts   int
}

func run(ctx context.Context, args []string, input io.Reader, stdout io.Writer) (err error) {
	var c config
	flags := flag.NewFlagSet("publisher", flag.ExitOnError)
	flags.StringVar(&c.redis, "redis", "redis://localhost:6379", "`URL` of Redis; see serve.Broker for Sentinel and Cluster")
	flags.StringVar(&c.topic, "topic", "", "the `topic` to publish to")
	flags.BoolVar(&c.replicated, "replicated", false, "wait until a replica of Redis has each message")
	flags.IntVar(&c.attempts, "attempts", 10, "how often a line is published that may not have been stored")
	_ = flags.Parse(args) // ExitOnError
	if c.topic == "" || c.redis == "" || flags.NArg() > 0 {
		return errors.New("publisher needs a -topic and a -redis; see -help")
	}
	broker, err := serve.Broker(ctx, c.redis, push.History{}, 0)
	if err != nil {
		return err
	}
	defer func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		err = errors.Join(err, broker.Close(limit))
	}()
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		m := push.Message{ID: uuid.NewString(), Topic: c.topic, Data: lines.Bytes(), Replicated: c.replicated}
		m.Binary = !utf8.Valid(m.Data)
		receipt, err := publish(ctx, broker, m, c.attempts)
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s %d\n", c.topic, receipt.Position.Offset)
	}
	return lines.Err()
}

// publish publishes until the message is known to be stored, or never will be. Its
// ID makes another attempt safe.
func publish(ctx context.Context, to push.Publisher, m push.Message, attempts int) (receipt push.Receipt, err error) {
	for range attempts {
		receipt, err = to.Publish(ctx, m)
		if err == nil || push.AsError(err).Code.Retry() == push.RetryNever {
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
