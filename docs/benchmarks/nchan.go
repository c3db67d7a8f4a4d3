package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startNchan starts nginx with Nchan. It has no standard input to publish by: publications go to it by POST, one after
// the other on one connection.
func (w *workshop) startNchan() (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(w.dir, "nchan-")
	if err != nil {
		return nil, err
	}
	template, err := os.ReadFile("servers/nginx/nchan.conf")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "nchan.conf")
	config := strings.NewReplacer("DIR", dir, "PORT", strconv.Itoa(port)).Replace(string(template))
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil { //nolint:gosec // in our own folder
		return nil, err
	}
	command := exec.CommandContext(context.Background(), "nginx", "-c", file, "-e", "stderr", "-q") //nolint:gosec // made here
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	p := &process{command: command, port: port}
	conn, err := dialUntil(port, time.Now().Add(5*time.Second))
	if err != nil {
		_ = command.Process.Kill()
		return nil, errors.Join(err, command.Wait())
	}
	p.stdin = &poster{conn: conn, quit: func() { _ = command.Process.Signal(os.Interrupt) }}
	go func() { _, _ = io.Copy(io.Discard, conn) }() // the answers; it ends with the connection
	return p, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// dialUntil connects to a server that is about to listen.
func dialUntil(port int, deadline time.Time) (net.Conn, error) {
	for {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) //nolint:noctx // refused or accepted at once
		if err == nil || time.Now().After(deadline) {
			return conn, err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// poster is a standard input for a server that takes publications by HTTP.
type poster struct {
	conn net.Conn
	quit func()
}

// Write takes one line, TOPIC SPACE DATA.
func (p *poster) Write(line []byte) (int, error) {
	topic, data, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	request := fmt.Appendf(nil, "POST /pub?topic=%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s",
		topic, len(data), data)
	if _, err := p.conn.Write(request); err != nil {
		return 0, err
	}
	return len(line), nil
}

// Close ends the server.
func (p *poster) Close() error {
	p.quit()
	return p.conn.Close()
}
