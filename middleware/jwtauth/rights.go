package jwtauth

import (
	"context"
	"errors"
	"fmt"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// subject is the wildcard that stands for the token's user.
const subject = "sub"

// maxRights is how many patterns a token may have.
const maxRights = 200

// Authorize allows what the tokens themselves say; it is for push.Options.Authorize, or for
// one that asks it besides. Options.Rights is the name of a claim of this form:
//
//	"tidewire": {"follow": ["orders/{sub}", "news/{any...}"], "publish": ["rooms/7"], "members": ["rooms/7"]}
//
// The patterns are those of [push.Rule]. The wildcard {sub} stands for the user's own name,
// all others for anything. Follow is also for resuming, and publish for messages to
// push.Options.Receive. What no pattern matches is forbidden, and so is all without such a
// claim. An issuer that builds patterns of names should use {sub} instead: a name with
// braces in it would be a wildcard.
//
// Identity.Claims must be the claims as a map, as they are by default.
func (a *Authenticator) Authorize(_ context.Context, access push.Access) error {
	if a.options.Rights == "" {
		return push.CodeForbidden
	}
	claims, _ := access.Identity.Claims.(map[string]any)
	rights, _ := claims[a.options.Rights].(map[string]any)
	patterns, _ := rights[rightTo[access.Action]].([]any)
	for _, text := range patterns {
		text, _ := text.(string)
		pattern, err := broker.ParsePattern(text)
		if err != nil {
			continue
		}
		value, ok := pattern.Match(access.Topic, subject)
		if ok && (!pattern.Names(subject) || value == access.Identity.User && value != "") {
			return nil
		}
	}
	return push.CodeForbidden
}

// rightTo names the list of patterns for an action.
var rightTo = map[push.Action]string{
	push.ActionFollow: "follow", push.ActionResume: "follow", push.ActionSend: "publish", push.ActionMembers: "members",
}

var errRights = errors.New("the token's claim of rights is no object of lists of patterns")

// checkRights refuses a token whose claim of rights has another form than Authorize reads:
// it would allow less than its issuer believes.
func checkRights(claim any) error {
	if claim == nil { // as some issuers write what is empty
		return nil
	}
	rights, ok := claim.(map[string]any)
	if !ok {
		return errRights
	}
	count := 0
	for name, list := range rights {
		patterns, ok := list.([]any)
		if !ok && list != nil || name != "follow" && name != "publish" && name != "members" {
			return errRights
		}
		if count += len(patterns); count > maxRights {
			return fmt.Errorf("the token has rights by more than %d patterns", maxRights)
		}
		for _, text := range patterns {
			text, ok := text.(string)
			if !ok {
				return errRights
			}
			if _, err := broker.ParsePattern(text); err != nil {
				return errRights
			}
		}
	}
	return nil
}
