package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/examples/internal/servetest"
	"github.com/tidewire/tidewire/push/testaid"
)

func TestMain(m *testing.M) { testaid.Main(m) }

func TestPricesWalk(t *testing.T) {
	now := time.UnixMilli(1000)
	m := newMarket(rand.New(rand.NewPCG(1, 2)), now)
	if distinct := slices.Compact(slices.Sorted(slices.Values(m.symbols))); len(distinct) != 200 || len(m.quotes) != 200 {
		t.Fatalf("there are %d symbols, and %d quotes", len(distinct), len(m.quotes))
	}
	changed := map[string]bool{}
	for i := range 20_000 {
		now = now.Add(time.Millisecond)
		symbol, q := m.step(now)
		if q != m.quotes[symbol] || q.At != now.UnixMilli() || q.Price < leastPrice || q.Price != cents(q.Price) {
			t.Fatalf("change %d: %s is at %+v", i, symbol, q)
		}
		if q.Price != q.Open {
			changed[symbol] = true
		}
	}
	if len(changed) != 200 {
		t.Errorf("%d of 200 prices have changed", len(changed))
	}
}

func prices(t *testing.T, s *servetest.Server) (quotes map[string]quote) {
	t.Helper()
	status, body := s.Do(t, http.MethodGet, "/prices.json", "")
	if err := json.Unmarshal([]byte(body), &quotes); err != nil || status != http.StatusOK || len(quotes) != 200 {
		t.Fatalf("prices: %d, %d quotes, %v", status, len(quotes), err)
	}
	return quotes
}

func setOpen(t *testing.T, s *servetest.Server, open string, want int) {
	t.Helper()
	if status, body := s.Do(t, http.MethodPost, "/open", open); status != want {
		t.Fatalf("open %s: %d %s", open, status, body)
	}
}

func TestAClosedExchangeHasOnePrice(t *testing.T) {
	s := servetest.Start(t, run)
	setOpen(t, s, "false", http.StatusOK)
	closed := prices(t, s)
	if now := prices(t, s); !equal(now, closed) {
		t.Error("prices change while the exchange is closed")
	}
	setOpen(t, s, "true", http.StatusOK)
	for equal(prices(t, s), closed) { // until it times out
	}
	setOpen(t, s, "perhaps", http.StatusBadRequest)
}

func equal(a, b map[string]quote) bool {
	for symbol, q := range a {
		if b[symbol] != q {
			return false
		}
	}
	return len(a) == len(b)
}

func TestASlowConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		received := make(chan string)
		go func() {
			all, _ := io.ReadAll(far)
			received <- string(all)
		}()
		sent := strings.Repeat("0123456789", 2050)
		began := time.Now()
		slow := slowConn{near}
		if n, err := slow.Write([]byte(sent)); n != len(sent) || err != nil {
			t.Fatal(n, err)
		}
		if took := time.Since(began); took != 2050*time.Millisecond {
			t.Errorf("20,500 bytes took %v", took)
		}
		slow.Close()
		if got := <-received; got != sent {
			t.Errorf("%d bytes have arrived", len(got))
		}
		if _, err := slow.Write([]byte("more")); err == nil {
			t.Error("a closed connection takes more")
		}
	})
}

// TestPagesArentToChange: what prices are is the server's to say.
func TestPagesArentToChange(t *testing.T) {
	s := servetest.Start(t, run)
	for path, want := range map[string]int{
		"/push/send?topic=prices": http.StatusForbidden, "/push/publish?topic=prices&key=ALCO&op=set": http.StatusForbidden,
	} {
		if status, body := s.Do(t, http.MethodPost, path, "1"); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := s.Do(t, http.MethodPost, "/open", "false", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("another site's page closes the exchange: %d", status)
	}
}

func TestStrangeHostNamesAreRefused(t *testing.T) { servetest.StrangeHostNamesAreRefused(t, run) }
