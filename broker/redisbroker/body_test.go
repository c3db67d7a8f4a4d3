package redisbroker

import (
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// published is the text that the publish script makes of a message.
func published(m *push.Message) string {
	return strings.Join([]string{
		m.Epoch.String(), strconv.FormatUint(m.Offset, 10), formatTag(m.Tag), formatTag(m.PreviousTag),
		strconv.FormatInt(m.Time.UnixMilli(), 10), string(encodeBody(m)),
	}, " ")
}

// FuzzParsePublished reads what anybody may have written to a channel. What is taken
// must be a message that a publisher could have published, and come back the same.
func FuzzParsePublished(f *testing.F) {
	position := broker.Position{Epoch: 1, Offset: 2, Tag: 3}
	for _, m := range []push.Message{
		{ID: "id", Topic: "a", Event: "event", Key: "key", Data: []byte("text"), Position: position, PreviousTag: 4},
		{ID: "id", Topic: "a", Data: []byte{0xff, 0, ' '}, Encoding: push.EncodingBinary, Position: position, Time: time.UnixMilli(5)},
	} {
		f.Add(published(&m))
	}
	f.Add("0000000000000001 2 00000003 00000004 0 \x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
	f.Add("0000000000000001 9007199254740993 00000003 00000004 -1 \x01\x00\x01i\x00\x00x")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := parsePublished("a", text)
		if err != nil {
			return
		}
		copied := *m
		if err := copied.Prepare(len(m.Data)); err != nil {
			t.Errorf("took what can't be published: %v", err)
		}
		again, err := parsePublished("a", published(m))
		if err != nil || !reflect.DeepEqual(again, m) {
			t.Errorf("%+v came back as %+v, %v", m, again, err)
		}
	})
}
