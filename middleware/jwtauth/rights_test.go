package jwtauth_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
)

func TestRightsInAClaim(t *testing.T) {
	key := secret(32).private
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}, Rights: "tidewire"}))
	may := func(claims object, action push.Action, topic string) bool {
		t.Helper()
		id, err := a.Identify(bearing(sign(t, "HS256", key, nil, claims)))
		if err != nil {
			t.Fatal(err)
		}
		err = a.Authorize(t.Context(), push.Access{Identity: id, Action: action, Topic: topic})
		if err != nil && !errors.Is(err, push.CodeForbidden) {
			t.Errorf("%s %s: %v", action, topic, err)
		}
		return err == nil
	}
	rights := object{"tidewire": object{
		"follow": []string{"orders/{sub}", "news/{any...}", "rooms/{room}/{sub}/x", "flat"}, "publish": []string{"rooms/7"}, "members": []string{"rooms/{id}"},
	}}
	for _, test := range []struct {
		action push.Action
		topic  string
		want   bool
	}{
		{push.ActionFollow, "orders/ann", true}, {push.ActionResume, "orders/ann", true},
		{push.ActionFollow, "orders/bob", false}, {push.ActionFollow, "orders/", false}, {push.ActionFollow, "orders/ann/x", false},
		{push.ActionFollow, "orders/{sub}", false},
		{push.ActionFollow, "news/", true}, {push.ActionFollow, "news/a/b", true}, {push.ActionFollow, "flat", true},
		{push.ActionFollow, "rooms/7/ann/x", true}, {push.ActionFollow, "rooms/7/bob/x", false},
		{push.ActionSend, "rooms/7", true}, {push.ActionSend, "flat", false}, {push.ActionFollow, "rooms/7", false},
		{push.ActionMembers, "rooms/7", true}, {push.ActionMembers, "news/a", false}, {"", "flat", false},
	} {
		if got := may(rights, test.action, test.topic); got != test.want {
			t.Errorf("%s %s: %v", test.action, test.topic, got)
		}
	}
	if may(nil, push.ActionFollow, "flat") {
		t.Error("a token without the claim")
	}
	// A name with braces is a name.
	braces := object{"sub": "{any}", "tidewire": rights["tidewire"]}
	if may(braces, push.ActionFollow, "orders/ann") || !may(braces, push.ActionFollow, "orders/{any}") {
		t.Error("a name with braces")
	}
	if err := a.Authorize(t.Context(), push.Access{Action: push.ActionFollow, Topic: "flat"}); err == nil {
		t.Error("somebody without a token")
	}
	none := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}}))
	id := must(none.Identify(bearing(sign(t, "HS256", key, nil, object{"": object{"follow": []string{"flat"}}}))))
	if err := none.Authorize(t.Context(), push.Access{Identity: id, Action: push.ActionFollow, Topic: "flat"}); err == nil {
		t.Error("without Options.Rights there are none")
	}
}

func TestMalformedRights(t *testing.T) {
	key := secret(32).private
	a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}, Rights: "tidewire"}))
	for name, claim := range map[string]any{
		"text": "follow", "a list": []any{"a"}, "a number": 7,
		"an unknown right": object{"fly": []string{"a"}}, "no list": object{"follow": "a"}, "a number in a list": object{"follow": []any{1}},
		"a malformed pattern": object{"follow": []string{"a{b}"}}, "a reserved name": object{"follow": []string{"tidewire.x"}},
		"too many": object{"follow": strings.Split(strings.Repeat("a ", 200)+"a", " ")},
	} {
		_, err := a.Identify(bearing(sign(t, "HS256", key, nil, object{"tidewire": claim})))
		wantBad(t, name, err)
	}
	for name, claim := range map[string]any{"null": []any(nil), "null in it": object{"follow": nil}, "nothing": object{}, "empty lists": object{"follow": []string{}, "members": []string{}}} {
		if _, err := a.Identify(bearing(sign(t, "HS256", key, nil, object{"tidewire": claim}))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
