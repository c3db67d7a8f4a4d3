package jwtauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidewire/tidewire/broker/membroker"
	"github.com/tidewire/tidewire/middleware/jwtauth"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/session"
)

// TestOnlyALaterTokenIsGoodAfterRevocation has a user log in before and after Revoke.
func TestOnlyALaterTokenIsGoodAfterRevocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		key := secret(32).private
		a := must(jwtauth.New(jwtauth.Options{Keys: object{"": key}, Algorithms: []string{"HS256"}}))
		hub := push.New(membroker.New(), push.Options{Identify: a.Identify})
		defer hub.Shutdown(context.Background())
		login := func(claims object) string { return sign(t, "HS256", key, nil, claims) }
		now := func() object { return object{"iat": time.Now().Unix()} }
		before, without := login(now()), login(nil)
		for _, token := range []string{before, without} {
			if _, err := session.Of(hub).Identify(bearing(token)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		if err := hub.Revoke(t.Context(), push.Revocation{User: "ann"}); err != nil {
			t.Fatal(err)
		}
		for what, token := range map[string]string{
			"before": before, "without iat": without, "in the same second": login(now()), "without iat, later": login(nil),
		} {
			if _, err := session.Of(hub).Identify(bearing(token)); !errors.Is(err, push.CodeForbidden) {
				t.Errorf("a token from %s: %v", what, err)
			}
		}
		time.Sleep(2 * time.Second) // a second for clocks, and one that iat may have left out
		id, err := session.Of(hub).Identify(bearing(login(now())))
		if err != nil || !id.Issued.Equal(time.Unix(time.Now().Unix(), 0)) {
			t.Errorf("a later token: issued %v, %v", id.Issued, err)
		}
	})
}
