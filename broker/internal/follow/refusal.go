package follow

import (
	"errors"
	"strconv"
	"strings"

	"github.com/tidewire/tidewire/push"
)

// RefusalError is the cause of a *push.Error of which the operator should know: the store
// answers, but not as it should. The broker logs it and makes it part of its health. The
// reasons of such errors must be few, since each is remembered.
type RefusalError struct {
	Answer  error    // without anything secret
	Lasting bool     // waiting doesn't help, only a change by the operator: nobody waits
	Details []string // what else the operator should know
}

func (r *RefusalError) Error() string {
	return strings.Join(append([]string{Shortened(r.Answer.Error())}, r.Details...), "; ")
}

func (r *RefusalError) Unwrap() error { return r.Answer }

// lasting reports whether an error stays until the operator changes something.
func lasting(err error) bool {
	var r *RefusalError
	return errors.As(err, &r) && r.Lasting
}

// ForeignData is the reason of errors about data that isn't the broker's own.
const ForeignData = "foreign data is stored under the broker's keys"

// Foreign is an error about data that isn't the broker's own.
func Foreign(err error) error {
	return push.NewError(push.CodeInternal, ForeignData, &RefusalError{Answer: err, Lasting: true})
}

// WrongKind is the error of a topic that is stored as a state, or as a log, while the rules
// of this instance say that it is the other. Others have other rules, or had.
func WrongKind(storedAsState bool) error {
	reason := "the topic is kept as a log, and is to be a state"
	if storedAsState {
		reason = "the topic is kept as a state, and is to be a log"
	}
	return push.NewError(push.CodeWrongKind, reason, &RefusalError{Answer: errRules, Lasting: true})
}

var errRules = errors.New("the topic rules of this instance aren't those with which it was stored")

var errPage = errors.New("broker: a page without a head, or with a hole")

// ForeignMessages is the reason of errors about notifications that no broker has sent.
const ForeignMessages = "foreign messages come on the broker's channels"

var (
	errSilent  = push.NewError(push.CodeUnavailable, "messages aren't heard", nil)
	errUnheard = push.NewError(push.CodeUnavailable, "live messages don't arrive", &RefusalError{Answer: errors.New(
		"messages are found by checks and never heard: their publisher sends them elsewhere")})
)

// maxShortened is how much of a text that isn't ours goes to the log, in bytes.
const maxShortened = 256

// Shortened bounds a text that goes to the log.
func Shortened(text string) string {
	if len(text) <= maxShortened {
		return text
	}
	return strings.ToValidUTF8(text[:maxShortened], "") + "…"
}

// Quoted is Shortened, for text that may hold anything.
func Quoted(text string) string { return strconv.Quote(Shortened(text)) }
