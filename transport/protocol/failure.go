package protocol

import (
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Failure is an error as a server tells a client of it. The code may be one that this
// version doesn't know.
type Failure struct {
	Code   push.Code
	Reason string
	Retry  string // "never", "now" or "later"
	After  time.Duration
	// Version is that of the key, of a conflict which is about a version; nil otherwise.
	Version *broker.VersionError
	// Topics are what became of each topic, of an HTTP answer that refuses all topics of a
	// request; nil otherwise.
	Topics []Answer
}

// Final reports whether trying again can't help. Retry decides, and the code where the
// server gives none that is known.
func (f *Failure) Final() bool {
	switch f.Retry {
	case "never":
		return true
	case "now", "later":
		return false
	default:
		return f.Code.Final()
	}
}

// Error returns the failure as an error of package push, whose cause is the Version if there
// is one.
func (f *Failure) Error() *push.Error {
	e := push.NewError(f.Code, f.Reason, nil)
	e.After = f.After
	if f.Version != nil {
		e.Cause = f.Version
	}
	return e
}

// ParseHTTPError reads the body of an HTTP answer that refuses a request. It fails if that
// isn't this protocol's, as that of a proxy.
func ParseHTTPError(body []byte) (*Failure, error) {
	o, err := parseObject(body)
	if err != nil {
		return nil, err
	}
	r := reader{object: o}
	f := r.failure()
	f.Topics = r.answers()
	if r.err == nil && f.Code == "" {
		return nil, &MalformedError{"an error without a code"}
	}
	return f, r.err
}

func (r *reader) failure() *Failure {
	return &Failure{
		Code: push.Code(r.text("code")), Reason: r.text("reason"), Retry: r.text("retry"), After: r.milliseconds("after"),
		Version: r.versionError(),
	}
}
