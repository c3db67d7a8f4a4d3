package redisbroker

import (
	"context"
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// What the scripts answer; see head.lua.
const (
	tooOld     = "TOOOLD"
	brokenHead = "BROKENHEAD"
	wrongKind  = "WRONGKIND"
)

// refusal is one of the answers with which Redis refuses a command.
type refusal struct {
	prefix  string // of the answer
	reason  string // for clients
	lasting bool   // waiting doesn't help, only a change by the operator
}

// refusals are tried in order.
var refusals = []refusal{
	{tooOld, "the broker's Redis is too old", true},
	{"unknown command", "the broker's Redis lacks a command, or is too old", true},
	{"Unknown Redis command", "the broker's Redis lacks a command, or is too old", true},
	{"NOPERM", "the broker's user may not do what it must", true},
	{"The user executing the script can't", "the broker's user may not do what it must", true}, // Redis 7.0
	{"ACL failure in script", "the broker's user may not do what it must", true},               // 7.2
	{"NOAUTH", "the broker has no password for Redis", true},
	{"Protocol error: unauthenticated", "the broker has no password for Redis", true}, // of a long command
	{"WRONGPASS", "the broker's password is refused", true},
	{"AUTH", "the broker's password is refused", true}, // there is none
	{"DENIED", "the broker's Redis refuses connections from elsewhere", true},
	{"This instance has cluster support disabled", "the broker's Redis is no Cluster: use a redis.Client", true},
	{"OOM", "the broker's memory is full", false},
	{"MISCONF", "the broker's Redis can't save its data", false},
	{"READONLY", "the broker can't be written to now", false},
	{"NOREPLICAS", "the broker's Redis has too few replicas", false},
	{"MASTERDOWN", "the broker's Redis has lost its primary", false},
	{"LOADING", "the broker's Redis is still loading its data", false},
	{"BUSY ", "the broker's Redis is busy with a script", false},
	{"CLUSTERDOWN", "the broker's Cluster is down", false},
	{"MOVED", slotMoves, false},
	{"ASK", slotMoves, false},
	{"TRYAGAIN", slotMoves, false},
	{"max number of clients", "the broker's Redis has too many connections", false},
	{"WRONGTYPE", follow.ForeignData, true},
	{brokenHead, follow.ForeignData, true},
	{"user_script:", follow.ForeignData, true}, // a script has stumbled over what it has read
	{"The ID specified in XADD", follow.ForeignData, true},
}

const slotMoves = "the broker's Cluster is moving this slot"

// redactedError is an answer of Redis without what was sent, which may be a password.
type redactedError struct{ error }

func (r redactedError) Error() string {
	text, _, _ := strings.Cut(r.error.Error(), ", with args beginning with")
	return text
}

func (r redactedError) Unwrap() error { return r.error }

// unavailable makes Redis' errors ones that may be shown to clients. Nil stays nil.
func unavailable(err error) error {
	var known *push.Error
	var answer redis.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return push.AsError(err)
	case errors.As(err, &answer):
		return refusalOf(err)
	default:
		return push.NewError(push.CodeUnavailable, "the broker can't be reached now", err)
	}
}

func refusalOf(err error) error {
	if redis.HasErrorPrefix(err, wrongKind) {
		return follow.WrongKind(strings.Contains(err.Error(), "stored as a state"))
	}
	for _, r := range refusals {
		if !redis.HasErrorPrefix(err, r.prefix) {
			continue
		}
		code := push.CodeUnavailable
		if r.reason == follow.ForeignData {
			code = push.CodeInternal
		}
		return push.NewError(code, r.reason, &follow.RefusalError{Answer: redactedError{err}, Lasting: r.lasting})
	}
	return push.NewError(push.CodeUnavailable, "the broker's Redis refuses", &follow.RefusalError{Answer: redactedError{err}})
}

func isForeign(err error) bool {
	var e *push.Error
	return errors.As(err, &e) && e.Reason == follow.ForeignData
}

// misuse is for a client of the wrong kind.
func misuse(reason string) error {
	return push.NewError(push.CodeInternal, reason, &follow.RefusalError{Answer: errMisuse, Lasting: true})
}

var (
	errMisuse  = errors.New("redisbroker: the wrong kind of client")
	errRing    = misuse("the broker can't use a redis.Ring: use a Cluster")
	errCluster = misuse("the broker's Redis is a Cluster of several nodes: use a redis.ClusterClient")
)
