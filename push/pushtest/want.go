package pushtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// differs returns what is wrong with an event of which something is wanted, or nothing. What
// can be wanted is in the documentation of [Record.Expect].
func differs(want any, e Event) string {
	if special, ok := want.(expectation); ok {
		return special.differs(e)
	}
	m := e.Message
	if m == nil {
		return "  want " + describe(want) + "\n  got  " + e.String()
	}
	var why string
	switch want := want.(type) {
	case func(*push.Message) error:
		if want == nil {
			why = "there is no function to ask"
		} else if err := want(m); err != nil {
			why = err.Error()
		}
	case push.Message:
		why = differsFrom(&want, m)
	case *push.Message:
		if want == nil {
			why = "there is no message to compare"
		} else {
			why = differsFrom(want, m)
		}
	default:
		why = differsInData(want, m)
	}
	if why == "" {
		return ""
	}
	return "  " + strings.ReplaceAll(why, "\n", "\n  ") + "\n  want " + describe(want) + "\n  got  " + e.String()
}

// describe is what is wanted, for the text of a failure.
func describe(want any) string {
	switch want := want.(type) {
	case expectation:
		return want.text()
	case string:
		return fmt.Sprintf("text %q", want)
	case []byte:
		return payload(want, push.EncodingBinary)
	case push.Message:
		return text(&want)
	case *push.Message:
		if want == nil {
			return "a nil *push.Message"
		}
		return text(want)
	case func(*push.Message) error:
		if want == nil {
			return "a nil function"
		}
		return "what the function takes"
	default:
		data, err := json.Marshal(want)
		if err != nil {
			return fmt.Sprintf("%T, which isn't JSON: %v", want, err)
		}
		return payload(data, push.EncodingJSON)
	}
}

// differsFrom compares what is set in a wanted message.
func differsFrom(want, got *push.Message) string {
	for _, f := range []struct {
		name      string
		want, got string
	}{
		{"Topic", want.Topic, got.Topic},
		{"Event", want.Event, got.Event},
		{"Key", want.Key, got.Key},
		{"ID", want.ID, got.ID},
	} {
		if f.want != "" && f.want != f.got {
			return fmt.Sprintf("%s is %q, want %q", f.name, f.got, f.want)
		}
	}
	switch {
	case want.Op != broker.OpPublish && want.Op != got.Op:
		return fmt.Sprintf("Op is %v, want %v", got.Op, want.Op)
	case want.Header != nil && !maps.Equal(want.Header, got.Header):
		return fmt.Sprintf("Header is %v, want %v", got.Header, want.Header)
	case want.TTL != 0 && want.TTL != got.TTL:
		return fmt.Sprintf("TTL is %v, want %v", got.TTL, want.TTL)
	case want.Data == nil:
		return ""
	case want.Encoding != got.Encoding:
		return "the encoding is another"
	case want.Encoding == push.EncodingJSON:
		return differsAsJSON(want.Data, got.Data)
	case !bytes.Equal(want.Data, got.Data):
		return "the data is another"
	default:
		return ""
	}
}

func differsInData(want any, got *push.Message) string {
	switch want := want.(type) {
	case string:
		if got.Encoding == push.EncodingText && string(got.Data) == want || got.Encoding == push.EncodingJSON && isAsJSON(want, got.Data) {
			return ""
		}
		return "the data is another"
	case []byte:
		if got.Encoding != push.EncodingBinary {
			return "the data isn't binary; it is if push.Message has Encoding: push.EncodingBinary"
		}
		if !bytes.Equal(got.Data, want) {
			return "the data is another"
		}
		return ""
	}
	if raw, ok := want.(json.RawMessage); ok {
		return jsonOf(got, raw)
	}
	data, err := json.Marshal(want)
	if err != nil {
		return err.Error()
	}
	return jsonOf(got, data)
}

func jsonOf(got *push.Message, want []byte) string {
	if got.Encoding != push.EncodingJSON {
		return "the data isn't JSON, so that clients get no value; it is by PublishJSON, or if push.Message has Encoding: push.EncodingJSON"
	}
	return differsAsJSON(want, got.Data)
}

// isAsJSON reports whether JSON data is a string, or is what it says.
func isAsJSON(want string, got []byte) bool {
	quoted, err := json.Marshal(want)
	return err == nil && differsAsJSON(quoted, got) == "" || json.Valid([]byte(want)) && differsAsJSON([]byte(want), got) == ""
}
