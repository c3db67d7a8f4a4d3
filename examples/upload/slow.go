package main

import (
	"io"
	"net/http"
	"time"
)

// A slow line, for those whose server is on the same machine: bodies are read at slowRate.

const (
	slowRate  = 750_000 // bytes a second
	slowPiece = 15_000  // bytes that are read together
)

// slowly makes the bodies of requests slow.
func slowly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = slowBody{r.Body}
		next.ServeHTTP(w, r)
	})
}

type slowBody struct{ io.ReadCloser }

func (b slowBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p[:min(len(p), slowPiece)])
	time.Sleep(time.Duration(n) * time.Second / slowRate)
	return n, err
}
