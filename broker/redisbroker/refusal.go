package redisbroker

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

// What the scripts answer; see head.lua.
const (
	tooOld     = "TOOOLD"
	brokenHead = "BROKENHEAD"
)

// refusal is one of the answers with which Redis refuses a command.
type refusal struct {
	prefix  string // of the answer
	reason  string // what clients are told
	lasting bool   // waiting doesn't help, only a change by the operator
}

// refusals are looked through in their order.
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
	{"WRONGTYPE", foreignData, true},
	{brokenHead, foreignData, true},
	{"user_script:", foreignData, true}, // a script has stumbled over what it has read
	{"The ID specified in XADD", foreignData, true},
}

const (
	slotMoves   = "the broker's Cluster is moving this slot"
	foreignData = "foreign data is stored under the broker's keys"
)

// refused is the cause of an error of which the operator should know: Redis answers,
// but not as it should.
type refused struct {
	answer  error
	lasting bool
	found   []string // what is under the keys, of foreign data
}

// Error gives the answer without what was sent, which may be a password.
func (r *refused) Error() string {
	text, _, _ := strings.Cut(r.answer.Error(), ", with args beginning with")
	return strings.Join(append([]string{shortened(text)}, r.found...), "; ")
}

func (r *refused) Unwrap() error { return r.answer }

// lasting reports whether an error stays until the operator changes something.
func lasting(err error) bool {
	var r *refused
	return errors.As(err, &r) && r.lasting
}

// unavailable makes Redis' errors ones that a client may be told. Nil stays nil.
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
		return push.Errorf(push.CodeUnavailable, "the broker can't be reached now", err)
	}
}

func refusalOf(err error) error {
	for _, r := range refusals {
		if !redis.HasErrorPrefix(err, r.prefix) {
			continue
		}
		code := push.CodeUnavailable
		if r.reason == foreignData {
			code = push.CodeInternal
		}
		return push.Errorf(code, r.reason, &refused{answer: err, lasting: r.lasting})
	}
	return push.Errorf(push.CodeUnavailable, "the broker's Redis refuses", &refused{answer: err})
}

// foreign is for data that isn't the broker's own.
func foreign(err error) error {
	return push.Errorf(push.CodeInternal, foreignData, &refused{answer: err, lasting: true})
}

func isForeign(err error) bool {
	var e *push.Error
	return errors.As(err, &e) && e.Reason == foreignData
}

// misuse is for a client of the wrong kind.
func misuse(reason string) error {
	return push.Errorf(push.CodeInternal, reason, &refused{answer: errMisuse, lasting: true})
}

var (
	errMisuse  = errors.New("redisbroker: the wrong kind of client")
	errRing    = misuse("the broker can't use a redis.Ring: use a Cluster")
	errCluster = misuse("the broker's Redis is a Cluster of several nodes: use a redis.ClusterClient")
)

// maxShortened is how much of a text that isn't ours goes to the log, in bytes.
const maxShortened = 256

func shortened(text string) string {
	if len(text) <= maxShortened {
		return text
	}
	return strings.ToValidUTF8(text[:maxShortened], "") + "…"
}

// quoted is shortened, for text that may hold anything.
func quoted(text string) string { return strconv.Quote(shortened(text)) }
