package poll

import "time"

// Options configures a [Transport]. The zero value of each field is its production
// default.
type Options struct {
	// Wait is how long a request waits for something to tell, if it doesn't say. Default
	// 25 s, which is less than most proxies wait for an answer.
	Wait time.Duration
	// MaxWait is how long a request may wait; one that asks for more waits so long.
	// Default 60 s.
	MaxWait time.Duration
	// WriteTimeout is how long one write of about 64 KiB may take before the client
	// counts as too slow. Default 5 s. Where a middleware hides the connection, only
	// http.Server.WriteTimeout ends such a client.
	WriteTimeout time.Duration
}

// withDefaults returns the options with their defaults instead of zero.
func (o Options) withDefaults() Options {
	if o.Wait <= 0 {
		o.Wait = 25 * time.Second
	}
	if o.MaxWait <= 0 {
		o.MaxWait = 60 * time.Second
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 5 * time.Second
	}
	return o
}
