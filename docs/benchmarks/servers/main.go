// Command servers is all Go servers that the benchmarks compare, in one binary:
//
//	servers [-tls] [-deflate] [-redis ADDR] [-parallel] KIND
//
// It listens on a free port of 127.0.0.1 and prints the port. Each line on the standard input, TOPIC SPACE DATA, is one
// publication. The line "?" is answered with the time that the calls that publish have taken so far, in nanoseconds. The
// process ends with its standard input.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"runtime/pprof"
	"time"
)

// publish gives data to all who follow a topic. It may keep data.
type publish func(topic string, data []byte)

// kinds start serving on a site, each as its own documentation would have it.
var kinds = map[string]func(*site) publish{
	"tidewire":        tidewire,
	"tidewire-gobwas": tidewireGobwas,
	"tidewire-conn":   tidewireConn,
	"gorilla":         gorilla,
	"coder":           coderChat,
	"gobwas":          gobwas,
	"gobwas-epoll":    gobwasEpoll,
	"gws":             gwsBroadcast,
	"melody":          melodyBroadcast,
	"go-sse":          goSSE,
	"r3labs":          r3labs,
	"flusher":         flusher,
	"centrifuge":      centrifugeNode,
	"mercure":         mercureHub,
}

// site is where a server listens, and what is asked of it.
type site struct {
	listener net.Listener
	tls      bool
	deflate  bool   // permessage-deflate
	redis    string // the address of a Redis; empty: the broker in memory
}

// serve runs a plain http.Server.
func (s *site) serve(handler http.Handler) {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if s.tls {
			server.TLSConfig = selfSigned()
			log.Fatal(server.ServeTLS(s.listener, "", ""))
		}
		log.Fatal(server.Serve(s.listener))
	}()
}

func main() {
	var s site
	flag.BoolVar(&s.tls, "tls", false, "serve TLS, and HTTP/2 for whom asks for it")
	flag.BoolVar(&s.deflate, "deflate", false, "compress messages (RFC 7692)")
	flag.StringVar(&s.redis, "redis", "", "the `address` of a Redis, for the kinds that have a broker")
	parallel := flag.Bool("parallel", false, "publish each topic from a goroutine of its own")
	profile := flag.String("profile", "", "write a CPU profile to this `file`")
	flag.Parse()
	start, ok := kinds[flag.Arg(0)]
	if !ok {
		log.Fatalf("no such kind: %q", flag.Arg(0))
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil { //nolint:noctx // it listens as long as it runs
		log.Fatal(err)
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			log.Fatal(err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			log.Fatal(err)
		}
	}
	c := control{publish: start(&s), parallel: *parallel}
	fmt.Println(s.listener.Addr().(*net.TCPAddr).Port)
	c.run(os.Stdin)
	pprof.StopCPUProfile()
}
