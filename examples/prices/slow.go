package main

import (
	"bufio"
	"net"
	"net/http"
	"slices"
	"time"
)

// A phone on a train, for those who are at a desk: what goes through slowly leaves at
// slowRate. It is for the connections that a transport takes over, which over HTTP/1 are
// WebSockets and event streams.

const (
	slowRate  = 10_000 // bytes a second
	slowPiece = 1_000  // bytes that leave together
)

// slowly makes the connections of a handler slow.
func slowly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(slowWriter{w}, r)
	})
}

// slowWriter is the response of a slow connection.
type slowWriter struct{ http.ResponseWriter }

// Unwrap is for [http.ResponseController].
func (w slowWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is part of [http.Hijacker].
func (w slowWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return slowConn{conn}, buffered, nil
}

// slowConn is a slow connection. Like a real one it makes a Write wait, and its peer slow to
// read.
type slowConn struct{ net.Conn }

// Write returns when all has left. One that is under way ends soon after the connection is
// closed or its deadline has passed.
func (c slowConn) Write(p []byte) (n int, err error) {
	for piece := range slices.Chunk(p, slowPiece) {
		written, err := c.Conn.Write(piece)
		n += written
		if err != nil {
			return n, err
		}
		time.Sleep(time.Duration(written) * time.Second / slowRate)
	}
	return n, nil
}
