package push_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/push"
)

// TestPatterns: what a pattern matches, and what its wildcards then stand for.
func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern, topic, want string // "no", or the values of a, b and c
	}{
		{"news", "news", "||"},
		{"news", "News", "no"},
		{"news", "news/", "no"},
		{"news", "/news", "no"},
		{"news", "newspaper", "no"},
		{"users/{a}", "users/ann", "ann||"},
		{"users/{a}", "users/", "no"},
		{"users/{a}", "users", "no"},
		{"users/{a}", "users/ann/inbox", "no"},
		{"users/{a}", "users/ann/", "no"},
		{"users/{a}", "users//ann", "no"},
		{"users/{a}", "users/..", "..||"},
		{"users/{a}", "users/../admin", "no"},
		{"users/{a}", "users/%2e%2e", "%2e%2e||"},
		{"users/{a}", "users/ann%2fadmin", "ann%2fadmin||"},
		{"users/{a}", "users/{a}", "{a}||"},
		{"users/{a}", "users/Ann", "Ann||"},
		{"users/é", "users/e\u0301", "no"}, // the same to the eye, other bytes
		{"users/{a}/{b}", "users/ann/inbox", "ann|inbox|"},
		{"{a}/{b}", "/x", "no"},
		{"a//{a}", "a//x", "x||"},
		{"a//{a}", "a/x", "no"},
		{"{a}/log/{c...}", "ann/log/2026/11/21", "ann||2026/11/21"},
		{"{a}/log/{c...}", "ann/log/", "ann||"},
		{"{a}/log/{c...}", "ann/log", "no"},
		{"{a}/log/{c...}", "ann/log//../x", "ann||/../x"},
		{"{c...}", "what/ever", "||what/ever"},
		{"{äöü_1}", "x", "||"},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.topic, func(t *testing.T) {
			got := "no"
			rules := push.Rules(push.Rule{Pattern: tt.pattern, Follow: func(_ context.Context, a push.Access) error {
				got = a.PathValue("a") + "|" + a.PathValue("b") + "|" + a.PathValue("c")
				if a.Topic != tt.topic || a.PathValue("") != "" || a.PathValue("other") != "" {
					t.Errorf("asked about %q", a.Topic)
				}
				return nil
			}})
			err := rules(t.Context(), push.Access{Action: push.ActionFollow, Topic: tt.topic})
			if got != tt.want || (err == nil) != (tt.want != "no") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestMalformedPatternsPanic(t *testing.T) {
	for _, pattern := range []string{
		"", "a{b}", "{b}a", "{", "}", "{}", "{a", "a}", "{a}{b}", "{1}", "{a b}", "{a-b}", "{$}", "{...}", "{a..}",
		"{a...}/b", "{a}/{a}", "{a}/{a...}", "news/*", "news/[a]", " a", "a ", "a\n", "\xff", strings.Repeat("x", 201),
	} {
		func() {
			defer func() {
				if p, ok := recover().(string); !ok || !strings.Contains(p, pattern) {
					t.Errorf("%q: panic %v", pattern, p)
				}
			}()
			push.Rules(push.Rule{Pattern: "fine", Follow: push.Anyone}, push.Rule{Pattern: pattern, Follow: push.Anyone})
			t.Errorf("%q was taken", pattern)
		}()
	}
}

// TestFirstRuleDecides: a rule that comes later, or would say more, isn't asked.
func TestFirstRuleDecides(t *testing.T) {
	denied := errors.New("by the first")
	rules := push.Rules(
		push.Rule{Pattern: "staff/{x}", Follow: func(context.Context, push.Access) error { return denied }},
		push.Rule{Pattern: "drop/{x...}", Send: push.Anyone},
		push.Rule{Pattern: "news/{x...}", Follow: push.Anyone},
		push.Rule{Pattern: "{x}/open", Follow: push.Anyone, Send: push.Anyone},
	)
	tests := []struct {
		topic                string
		follow, resume, send error
	}{
		{"staff/open", denied, denied, push.CodeForbidden},
		{"drop/open", push.CodeForbidden, push.CodeForbidden, nil},
		{"news/open", nil, nil, push.CodeForbidden},
		{"else/open", nil, nil, nil},
		{"else/shut", push.CodeForbidden, push.CodeForbidden, push.CodeForbidden},
	}
	for _, tt := range tests {
		for action, want := range map[push.Action]error{
			push.ActionFollow: tt.follow, push.ActionResume: tt.resume, push.ActionSend: tt.send, "another": push.CodeForbidden,
		} {
			if got := rules(t.Context(), push.Access{Action: action, Topic: tt.topic}); !errors.Is(got, want) {
				t.Errorf("%s %s: got %v, want %v", action, tt.topic, got, want)
			}
		}
	}
	if err := push.Rules()(t.Context(), push.Access{Action: push.ActionFollow, Topic: "a"}); !errors.Is(err, push.CodeForbidden) {
		t.Errorf("no rules: %v", err)
	}
}
