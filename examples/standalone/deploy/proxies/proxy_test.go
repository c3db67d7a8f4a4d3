package proxies

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidewire/tidewire/push/testaid"
)

// proxy is a program in front of the instances, with its file in this folder.
type proxy struct {
	name    string
	file    string
	command func(file, folder string) []string
}

var proxies = []proxy{
	{"HAProxy", "haproxy.cfg", func(file, _ string) []string { return []string{"haproxy", "-db", "-f", file} }},
	{"nginx", "nginx.conf", func(file, folder string) []string {
		return []string{"nginx", "-p", folder, "-e", filepath.Join(folder, "error.log"), "-c", file, "-g", "daemon off; pid " + filepath.Join(folder, "pid") + ";"}
	}},
	{"Caddy", "Caddyfile", func(file, _ string) []string {
		return []string{"caddy", "run", "--adapter", "caddyfile", "--config", file}
	}},
}

// start runs the proxy until the end of the test. All that differs from the file that users copy are addresses and
// paths. It returns the address.
func (p proxy) start(t *testing.T, instances []*instance, certificate *certificate) string {
	t.Helper()
	folder := t.TempDir()
	config, err := os.ReadFile(p.file)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	replace := map[string]string{
		"127.0.0.1:8443": address,
		"127.0.0.1:8081": instances[0].address, "127.0.0.1:8082": instances[1].address, "127.0.0.1:8083": instances[2].address,
		"/etc/tidewire/tls.": certificate.folder + "/tls.",
	}
	for old, text := range replace {
		if !bytes.Contains(config, []byte(old)) {
			t.Fatalf("%s has no %s", p.file, old)
		}
		config = bytes.ReplaceAll(config, []byte(old), []byte(text))
	}
	if p.name == "nginx" { // its folders for what it buffers would be the system's
		temporary := "http {\n"
		for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			temporary += name + "_temp_path " + filepath.Join(folder, name) + ";\n"
		}
		config = bytes.Replace(config, []byte("http {\n"), []byte(temporary), 1)
	}
	file := filepath.Join(folder, p.file)
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	arguments := p.command(file, folder)
	name, err := exec.LookPath(arguments[0])
	if err != nil {
		name = "/usr/sbin/" + arguments[0] // which not everybody's PATH has
	}
	environment := []string{"HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder}
	_, ended := run(t, syscall.SIGTERM, environment, name, arguments[1:]...) // nginx has workers to end
	testaid.Eventually(t, p.name+" listens", func() bool { return listens(address) || isClosed(ended) })
	if isClosed(ended) {
		t.Fatalf("%s has ended", p.name)
	}
	return address
}

// run starts a program that ends with the test, at the latest, by this signal, or by SIGKILL if that doesn't help. What
// it returns besides is closed when it has ended.
func run(t *testing.T, end os.Signal, environment []string, name string, arguments ...string) (*exec.Cmd, <-chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	command := exec.CommandContext(ctx, name, arguments...)
	command.Env = append(os.Environ(), environment...)
	command.Cancel = func() error { return command.Process.Signal(end) }
	command.WaitDelay = 5 * time.Second
	var log bytes.Buffer
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = command.Wait() // ProcessState says how it ended
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		if t.Failed() {
			t.Logf("%s: %s", name, log.String())
		}
	})
	return command, ended
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func listens(address string) bool {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	_ = c.Close() // nothing was sent
	return true
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificate is one for 127.0.0.1 and its key, as tls.crt and tls.key, and both as tls.pem.
type certificate struct {
	folder string
	pool   *x509.CertPool
}

func newCertificate(t *testing.T) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &certificate{folder: t.TempDir(), pool: x509.NewCertPool()}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	secret := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	c.pool.AppendCertsFromPEM([]byte(public))
	for name, text := range map[string]string{"crt": public, "key": secret, "pem": strings.Join([]string{public, secret}, "")} {
		if err := os.WriteFile(filepath.Join(c.folder, "tls."+name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}
