package pushtest

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// Event is what a client gets. Beside the topic exactly one field is set.
type Event struct {
	Topic string
	// Message is a message of a log. Its position is known if it can be resumed from.
	Message *push.Message
	// Gap says that messages of a log were missed.
	Gap *broker.Gap
	// Reset says why a state begins again; its keys follow.
	Reset broker.GapReason
	// Refused says why the server doesn't let the client follow the topic any longer.
	Refused *push.Error
}

func event(m *push.Message) Event { return Event{Topic: m.Topic, Message: m} }

// String is the event as the texts of failures have it.
func (e Event) String() string {
	topic := fmt.Sprintf("%q: ", e.Topic)
	switch {
	case e.Message != nil:
		return topic + text(e.Message)
	case e.Gap != nil:
		return topic + expectedGap(e.Gap.Reason).text()
	case e.Reset != "":
		return topic + expectedReset(e.Reset).text()
	case e.Refused != nil:
		return topic + "refused: " + e.Refused.Error()
	default:
		return topic + "nothing"
	}
}

// text is a message as the texts of failures have it.
func text(m *push.Message) string {
	var parts []string
	if m.Op != broker.OpPublish {
		parts = append(parts, m.Op.String())
	}
	if m.Event != "" {
		parts = append(parts, fmt.Sprintf("event %q", m.Event))
	}
	if m.Key != "" {
		parts = append(parts, fmt.Sprintf("key %q", m.Key))
	}
	if m.ID != "" && m.Named {
		parts = append(parts, fmt.Sprintf("id %q", m.ID))
	}
	if m.Op < broker.OpDelete {
		parts = append(parts, payload(m.Data, m.Encoding))
	}
	return strings.Join(parts, ", ")
}

// maxShown is how much of the data the texts of failures have, in bytes.
const maxShown = 600

func payload(data []byte, encoding push.Encoding) string {
	more := ""
	shown := data
	if len(shown) > maxShown {
		shown, more = shown[:maxShown], fmt.Sprintf("… (%d bytes)", len(data))
	}
	switch encoding {
	case push.EncodingJSON:
		return "JSON " + string(shown) + more
	case push.EncodingBinary:
		return "binary " + base64.StdEncoding.EncodeToString(shown) + more
	default:
		return fmt.Sprintf("text %q%s", shown, more)
	}
}

// expectation is what Expect of a client takes beside what messages have.
type expectation interface {
	text() string
	// differs returns what is wrong with an event, or nothing.
	differs(e Event) string
}

type (
	expectedGap     broker.GapReason
	expectedReset   broker.GapReason
	expectedRefusal push.Code
)

// Gap is for [Client.Expect]: the client is told of missed messages, for a reason such as
// [broker.GapTrimmed]. An empty reason is any.
func Gap(reason broker.GapReason) any { return expectedGap(reason) }

// Reset is for [Client.Expect] of a state topic: the state begins again, for a reason such as
// [broker.GapTrimmed]. An empty reason is any.
func Reset(reason broker.GapReason) any { return expectedReset(reason) }

// Refused is for [Client.Expect]: the client may follow the topic no longer, for a reason such
// as [push.CodeForbidden].
func Refused(code push.Code) any { return expectedRefusal(code) }

func (g expectedGap) text() string     { return strings.TrimSpace("a gap " + string(g)) }
func (r expectedReset) text() string   { return strings.TrimSpace("a reset " + string(r)) }
func (r expectedRefusal) text() string { return "a refusal " + string(r) }

func (g expectedGap) differs(e Event) string {
	return unless(e.Gap != nil && (g == "" || e.Gap.Reason == broker.GapReason(g)), g, e)
}

func (r expectedReset) differs(e Event) string {
	return unless(e.Reset != "" && (r == "" || e.Reset == broker.GapReason(r)), r, e)
}

func (r expectedRefusal) differs(e Event) string {
	return unless(e.Refused != nil && e.Refused.Code == push.Code(r), r, e)
}

func unless(ok bool, want expectation, got Event) string {
	if ok {
		return ""
	}
	return "  want " + want.text() + "\n  got  " + got.String()
}
