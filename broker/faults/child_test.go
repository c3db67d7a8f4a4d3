package faults_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/redisbroker"
	"github.com/tidewire/tidewire/broker/redistest"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
	"github.com/tidewire/tidewire/transport"
)

// childArgument is the first argument of this program if it is to be an instance, which a test kills.
const childArgument = "instance"

// child is an instance that is a process of its own.
type child struct {
	t       *testing.T
	url     string
	address string
	redis   string
	command *exec.Cmd // nil while it doesn't run
	stdin   io.Closer
}

func startChild(t *testing.T, server *redistest.Server) *child {
	t.Helper()
	c := &child{t: t, address: "127.0.0.1:0", redis: server.Addr()}
	c.start()
	t.Cleanup(c.kill)
	return c
}

// start starts the process, again at the same address if it has run before.
func (c *child) start() {
	c.t.Helper()
	c.command = exec.CommandContext(context.Background(), os.Args[0], childArgument, c.address, c.redis)
	c.command.Stderr = os.Stderr
	stdin, err := c.command.StdinPipe()
	check(c.t, err)
	stdout, err := c.command.StdoutPipe()
	check(c.t, err)
	check(c.t, c.command.Start())
	c.stdin = stdin
	line, err := bufio.NewReader(stdout).ReadString('\n')
	check(c.t, err)
	c.address = strings.TrimSpace(line)
	c.url = "http://" + c.address
}

// kill ends the process as nothing in it can help.
func (c *child) kill() {
	if c.command == nil {
		return
	}
	_ = c.command.Process.Signal(syscall.SIGKILL) // fails only if it has ended
	_ = c.command.Wait()                          // it was killed
	c.stdin.Close()
	c.command = nil
}

// post asks the process to do something.
func (c *child) post(path string, query url.Values) {
	c.t.Helper()
	response, err := http.Post(c.url+path+"?"+query.Encode(), "", nil)
	check(c.t, err)
	defer response.Body.Close()
	if text, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %d %s", path, response.StatusCode, text)
	}
}

// runChild is the main of an instance.
func runChild(address, redisAddress string) error {
	client := redis.NewClient(&redis.Options{Addr: redisAddress})
	hub := push.New(redisbroker.New(client, redisbroker.Options{Topics: states, Logger: quiet}), push.Options{
		Authorize: push.Anyone, Presence: present, Logger: quiet,
	})
	routes := http.NewServeMux()
	routes.Handle("/", transport.Routes(hub))
	routes.HandleFunc("POST /produce", func(w http.ResponseWriter, r *http.Request) { refuse(w, produce(hub, r)) })
	routes.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) { refuse(w, enterAll(hub, r)) })
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent never writes; the end means that it is gone
		os.Exit(1)
	}()
	server := &http.Server{Handler: routes, ReadHeaderTimeout: patience}
	return server.Serve(listener)
}

func refuse(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// token is the n-th piece of a text.
func token(n int) string { return fmt.Sprint("tökén ", n, ", ") }

// textOf is a text of n tokens.
func textOf(n int) string {
	var text strings.Builder
	for i := range n {
		text.WriteString(token(i))
	}
	return text.String()
}

// produce begins a stream, and writes tokens to it long after its request has ended.
func produce(hub *push.Hub, r *http.Request) error {
	query := r.URL.Query()
	tokens, err := strconv.Atoi(query.Get("tokens"))
	if err != nil {
		return err
	}
	stream, err := hub.Stream(r.Context(), query.Get("topic"), query.Get("key"))
	if err != nil {
		return err
	}
	go func() { // ends with the process
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for i := range tokens {
			if _, err := stream.Write([]byte(token(i))); err != nil {
				fmt.Fprintln(os.Stderr, "writing to a stream:", err)
			}
			<-pace.C
		}
		if err := stream.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "closing a stream:", err)
		}
	}()
	return nil
}

// enterAll has users follow a topic.
func enterAll(hub *push.Hub, r *http.Request) error {
	query := r.URL.Query()
	first, err := strconv.Atoi(query.Get("first"))
	n, err2 := strconv.Atoi(query.Get("n"))
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	for i := range n {
		if _, err := enter(hub, user(first+i), session.Follow{Topic: query.Get("topic")}); err != nil {
			return err
		}
	}
	return nil
}
