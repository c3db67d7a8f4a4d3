package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// TestPublisherChangesStates: each change is a POST that says what it does.
func TestPublisherChangesStates(t *testing.T) {
	var query url.Values
	var body string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		query, body = r.URL.Query(), string(data)
		fmt.Fprint(w, `{"id":"x","epoch":"9f8a6c21d0e4b735","offset":7,"duplicate":true}`)
	}))
	defer server.Close()
	p := publisher(t, server.URL, testKey, PublisherOptions{})
	type change = func(context.Context, push.Message) (push.Receipt, error)
	version := broker.Version{Epoch: 0x9f8a6c21d0e4b735, Offset: 17}
	for _, test := range []struct {
		do   change
		m    push.Message
		want url.Values
	}{
		{p.Set, push.Message{Data: []byte("x")}, url.Values{"op": {"set"}}},
		{p.Set, push.Message{Data: []byte("x"), TTL: 90 * time.Second}, url.Values{"op": {"set"}, "ttl": {"1m30s"}}},
		{p.Set, push.Message{Data: []byte("x"), TTL: -1}, url.Values{"op": {"set"}, "ttl": {"forever"}}},
		{p.Set, push.Message{Data: []byte("x"), IfAbsent: true}, url.Values{"op": {"set"}, "if": {"absent"}}},
		{p.Append, push.Message{Data: []byte("x"), IfVersion: version}, url.Values{"op": {"append"}, "if": {"9f8a6c21d0e4b735-17"}}},
		{p.Delete, push.Message{}, url.Values{"op": {"delete"}}},
		{p.Touch, push.Message{TTL: time.Hour}, url.Values{"op": {"touch"}, "ttl": {"1h0m0s"}}},
	} {
		test.m.Topic, test.m.Key, test.m.ID = "prices", "ACME", "i"
		for name, value := range map[string]string{"topic": "prices", "key": "ACME", "id": "i"} {
			test.want.Set(name, value)
		}
		receipt, err := test.do(t.Context(), test.m)
		if err != nil || query.Encode() != test.want.Encode() || body != string(test.m.Data) || receipt.Position.Offset != 7 {
			t.Errorf("%+v, %v, %q; want %s", receipt, err, body, test.want.Encode())
			t.Error(query.Encode())
		}
	}
	receipt, err := p.Delete(t.Context(), push.Message{Topic: "prices", Key: "ACME"})
	if err != nil || !receipt.Duplicate {
		t.Errorf("a key that isn't there: %+v, %v", receipt, err)
	}
	if _, err := p.Set(t.Context(), push.Message{Topic: "prices", Data: []byte("x")}); !errors.Is(err, push.CodeBadRequest) {
		t.Errorf("without a key: %v", err)
	}
	for _, one := range p.PublishAll(t.Context(), push.Message{Op: broker.OpSet, Key: "k"}, "a", "b") {
		if !errors.Is(one.Err, push.CodeBadRequest) {
			t.Errorf("to several topics: %+v", one)
		}
	}
}

// TestPublisherTellsConflicts with the version that the key has, and doesn't try again.
func TestPublisherTellsConflicts(t *testing.T) {
	for answer, want := range map[string]*broker.VersionError{
		`,"version":"9f8a6c21d0e4b735-17"`: {Current: broker.Version{Epoch: 0x9f8a6c21d0e4b735, Offset: 17}},
		`,"version":""`:                    {},
		``:                                 nil,
	} {
		requests := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			requests++
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, `{"code":"conflict","reason":"no","retry":"never"%s}`, answer)
		}))
		p := publisher(t, server.URL, testKey, PublisherOptions{})
		_, err := p.Set(t.Context(), push.Message{Topic: "prices", Key: "ACME", IfAbsent: true})
		got, _ := errors.AsType[*broker.VersionError](err)
		if !errors.Is(err, push.CodeConflict) || (got == nil) != (want == nil) || got != nil && *got != *want || requests != 1 {
			t.Errorf("%v after %d requests, want %v", err, requests, want)
		}
		server.Close()
	}
}
