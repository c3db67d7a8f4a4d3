package testaid

import (
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { Main(m) }

func TestWhatIsLeftOpenIsFound(t *testing.T) {
	before := descriptors()
	if len(before) == 0 {
		t.Skip("this system doesn't tell what is open")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(t.TempDir() + "/left")
	if err != nil {
		t.Fatal(err)
	}
	got := since(before)
	if len(got) != 2 || !strings.HasSuffix(got[0], "/left") || !strings.HasPrefix(got[1], "socket:") {
		t.Errorf("found %q", got)
	}
	listener.Close()
	file.Close()
	if got := since(before); len(got) != 0 {
		t.Errorf("found %q, which is closed", got)
	}
}

func TestWhatEndsSoonIsntLeft(t *testing.T) {
	before, ignored := descriptors(), goleak.IgnoreCurrent()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	go func() {
		<-release
		listener.Close()
	}()
	if slices.Contains(since(before), "") || goleak.Find(ignored) == nil {
		t.Error("a goroutine and a socket aren't found")
	}
	close(release)
	if err := left(before, []goleak.Option{ignored}); err != nil {
		t.Error(err)
	}
}
