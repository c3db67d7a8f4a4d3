//go:build unix

// Package redistest starts real Redis processes for tests and for commands that try faults: one server, a server with
// replicas, Sentinels, a cluster.
//
//	server, err := redistest.Start(t.TempDir())
//	...
//	defer server.Close()
//	client := redis.NewClient(server.Options())
//
// Everything listens on 127.0.0.1 only and keeps nothing on disk unless told to. Each process has a folder of its own
// below the given one, named by its port, with its log in it. Who starts something closes it: Close kills what still
// runs and waits for it.
//
// The methods that change a process must not be called at the same time for the same process.
package redistest
