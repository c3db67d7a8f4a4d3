package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestHostsIsForLoopback: elsewhere a server has names that it can't know.
func TestHostsIsForLoopback(t *testing.T) {
	tests := []struct {
		addr, names string
		want        int // for another name
	}{
		{"127.0.0.1:8000", "", http.StatusMisdirectedRequest},
		{"127.9.9.9:8000", "", http.StatusMisdirectedRequest},
		{"[::1]:8000", "", http.StatusMisdirectedRequest},
		{"localhost:8000", "", http.StatusMisdirectedRequest},
		{":8000", "", http.StatusOK},
		{"0.0.0.0:8000", "", http.StatusOK},
		{"192.0.2.1:8000", "", http.StatusOK},
		{":8000", "app.example", http.StatusMisdirectedRequest},
	}
	for _, tt := range tests {
		handler := Hosts(tt.addr, tt.names)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://other.example/", nil))
		if w.Code != tt.want {
			t.Errorf("%s with %q: %d, want %d", tt.addr, tt.names, w.Code, tt.want)
		}
	}
}
