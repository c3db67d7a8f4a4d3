package cursor_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/push/cursor"
)

var somewhere = broker.Position{Epoch: 0x9f8a6c21d0e4b735, Offset: 300, Tag: 0x01020304}

func TestCursorRoundTrip(t *testing.T) {
	tests := []broker.Position{
		somewhere,
		{Epoch: 1, Offset: 0, Tag: 0},
		{Epoch: 1<<64 - 1, Offset: broker.MaxOffset, Tag: 1<<32 - 1},
		{Epoch: 5, Offset: 127, Tag: 6},
		{Epoch: 5, Offset: 128, Tag: 6},
	}
	var texts []string
	for i, want := range tests {
		topic := strings.Repeat("t", i+1)
		text := cursor.Format(topic, want)
		texts = append(texts, text)
		c, err := cursor.Parse(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got, ok := c.Position(topic); !ok || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, ok, want)
		}
		if _, ok := c.Position("another"); ok {
			t.Errorf("%q has a place in another topic", text)
		}
	}
	joined, err := cursor.Parse(cursor.Join(texts))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range tests {
		if got, _ := joined.Position(strings.Repeat("t", i+1)); got != want {
			t.Errorf("joined: got %+v, want %+v", got, want)
		}
	}
	if joined.String() != cursor.Join(texts) {
		t.Errorf("String gives %q", joined)
	}
}

func TestCursorIsParsedStrictly(t *testing.T) {
	good := cursor.Format("a", somewhere)
	bits := cursor.Format("a", broker.Position{Epoch: 1, Offset: 7}) // its last character has bits to spare
	tests := map[string]string{
		"garbage":          "garbage",
		"other version":    "2" + good[1:],
		"no version":       good[1:],
		"cut off":          good[:len(good)-4],
		"one more":         good + "A",
		"padding":          good + "=",
		"stray bits":       bits[:len(bits)-1] + "_",
		"standard base64":  "1+/" + good[3:],
		"empty part":       good + ".",
		"two dots":         good + ".." + cursor.Format("b", somewhere),
		"empty part first": "." + good,
		"version alone in": good + ".1",
		"space":            good + " ",
		"line break":       good[:5] + "\n" + good[5:],
		"NUL":              good + "\x00",
		"not UTF-8":        "\xff",
		"no epoch":         cursor.Format("a", broker.Position{Offset: 1, Tag: 2}),
		"offset over 2^53": cursor.Format("a", broker.Position{Epoch: 1, Offset: broker.MaxOffset + 1}),
		"largest uint64":   cursor.Format("a", broker.Position{Epoch: 1, Offset: 1<<64 - 1}),
		"over 64 KiB":      good + strings.Repeat("."+good, cursor.MaxRead/(len(good)+1)),
		"megabyte of dots": strings.Repeat(".", 1<<20),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			if c, err := cursor.Parse(text); push.AsError(err).Code != push.CodeBadRequest {
				t.Errorf("%q gave %+v, %v", text, c, err)
			}
		})
	}
}

// TestTopicTwiceInACursor has what two topics with the same hash make of a cursor: it
// costs these two their place, and no other topic.
func TestTopicTwiceInACursor(t *testing.T) {
	elsewhere := broker.Position{Epoch: 5, Offset: 6, Tag: 7}
	text := cursor.Join([]string{cursor.Format("a", somewhere), cursor.Format("b", elsewhere), cursor.Format("a", elsewhere)})
	c, err := cursor.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Position("a"); !ok || !got.IsZero() {
		t.Errorf("the topic that is named twice is at %+v, %v", got, ok)
	}
	if got, ok := c.Position("b"); !ok || got != elsewhere {
		t.Errorf("the other topic is at %+v, %v", got, ok)
	}
	if c.String() != text {
		t.Errorf("String gives %q for %q", c, text)
	}
}

// TestCursorOfVeryManyTopics is read as one of few is.
func TestCursorOfVeryManyTopics(t *testing.T) {
	topic := func(i int) string { return strings.Repeat("t", 1+i%200) + strings.Repeat("u", i/200) }
	const topics = 1000
	texts := []string{cursor.Format("twice", somewhere), cursor.Format("twice", somewhere)}
	for i := range topics {
		texts = append(texts, cursor.Format(topic(i), broker.Position{Epoch: 1<<64 - 1, Offset: uint64(i) + 1, Tag: 1}))
	}
	c, err := cursor.Parse(cursor.Join(texts))
	if err != nil {
		t.Fatal(err)
	}
	for i := range topics {
		if got, ok := c.Position(topic(i)); !ok || got.Offset != uint64(i)+1 {
			t.Fatalf("topic %d is at %+v, %v", i, got, ok)
		}
	}
	if got, ok := c.Position("twice"); !ok || !got.IsZero() {
		t.Errorf("the topic that is named twice is at %+v, %v", got, ok)
	}
	if got, ok := c.Position("another"); ok {
		t.Errorf("a topic that isn't there is at %+v", got)
	}
}

// TestTopicAndEpochAreTheFirstOfACursor: the wire joins what two cursors differ in
// without reading them.
func TestTopicAndEpochAreTheFirstOfACursor(t *testing.T) {
	const place = 21
	first := cursor.Format("a", somewhere)[:place]
	for _, p := range []broker.Position{
		{Epoch: somewhere.Epoch}, {Epoch: somewhere.Epoch, Offset: 1, Tag: 1<<32 - 1}, {Epoch: somewhere.Epoch, Offset: broker.MaxOffset},
	} {
		if got := cursor.Format("a", p)[:place]; got != first {
			t.Errorf("%+v: %q, want %q", p, got, first)
		}
	}
	if got := cursor.Format("a", broker.Position{Epoch: somewhere.Epoch ^ 1, Offset: 300})[:place]; got[:place-1] != first[:place-1] || got == first {
		t.Errorf("the epoch's last bit makes %q of %q", got, first)
	}
	if got := cursor.Format("b", somewhere)[:place]; got == first {
		t.Error("two topics begin alike")
	}
}

// TestPlaceBeforeTheFirstMessageIsSeen: docs/protocol.md says how a program knows that two
// cursors of a topic without messages are one place, whenever they were issued.
func TestPlaceBeforeTheFirstMessageIsSeen(t *testing.T) {
	first := regexp.MustCompile(`^.{26}(AA|QA|gA|wA)$`)
	for _, mark := range []uint32{0, 1, 2, 3, 0x65d3f1c0, 1<<32 - 1} {
		if text := (cursor.Place{Position: broker.Position{Epoch: 5}, Issued: mark}).Cursor("a"); !first.MatchString(text) {
			t.Errorf("issued at %d: %q", mark, text)
		}
		for offset := uint64(1); offset < 1<<12; offset++ {
			if text := cursor.Format("a", broker.Position{Epoch: 5, Offset: offset, Tag: mark}); first.MatchString(text) {
				t.Errorf("offset %d, tag %d: %q", offset, mark, text)
			}
		}
	}
}

// TestCursorsOfChosenNamesDiffer has names that were found to have one hash when that
// wasn't a cryptographic one.
func TestCursorsOfChosenNamesDiffer(t *testing.T) {
	if cursor.Format("room/GqnzgnUde", somewhere) == cursor.Format("user/alice/inbox", somewhere) {
		t.Error("two topics have one cursor")
	}
}

func TestCursorOfManyTopicsFits(t *testing.T) {
	var texts []string
	for i := range cursor.MaxTopics {
		texts = append(texts, cursor.Format(strings.Repeat("t", i+1), broker.Position{Epoch: 1<<64 - 1, Offset: broker.MaxOffset, Tag: 1<<32 - 1}))
	}
	text := cursor.Join(texts)
	if len(text) > cursor.MaxBytes {
		t.Errorf("%d topics take %d bytes", len(texts), len(text))
	}
	if _, err := cursor.Parse(text); err != nil {
		t.Error(err)
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(cursor.Format("a", somewhere))
	f.Add(cursor.Format("a", somewhere) + "." + cursor.Format("b", somewhere))
	f.Add(cursor.Empty)
	f.Add("")
	f.Add("1AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := cursor.Parse(text)
		if err != nil || text == "" {
			return
		}
		if got := c.String(); got != text {
			t.Errorf("%q is read and written as %q", text, got)
		}
	})
}

func FuzzCursorRoundTrip(f *testing.F) {
	f.Add("topic", uint64(1), uint64(2), uint32(3))
	f.Fuzz(func(t *testing.T, topic string, epoch, offset uint64, tag uint32) {
		want := broker.Position{Epoch: broker.Epoch(epoch), Offset: offset, Tag: tag}
		if offset == 0 {
			want.Tag = 0 // there is no message, and so no tag
		}
		c, err := cursor.Parse(cursor.Format(topic, want))
		if valid := epoch != 0 && offset <= broker.MaxOffset; valid != (err == nil) {
			t.Fatalf("%+v: %v", want, err)
		}
		if got, _ := c.Position(topic); err == nil && got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}
