package servetest

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

// NotifySocket opens a socket as systemd does for a service, until the end of the test. The name
// is what NOTIFY_SOCKET is to be.
func NotifySocket(t *testing.T) (name string, socket *net.UnixConn) {
	t.Helper()
	dir, err := os.MkdirTemp("", "notify") //nolint:usetesting // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name = filepath.Join(dir, "socket")
	socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return name, socket
}
