package main

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/client"
)

// line is one line of output, and its JSON.
type line struct {
	Topic    string          `json:"topic"`
	ID       string          `json:"id,omitempty"`
	Event    string          `json:"event,omitempty"`
	Key      string          `json:"key,omitempty"`
	Offset   uint64          `json:"offset,omitempty"`
	Time     *time.Time      `json:"time,omitempty"`
	Encoding string          `json:"encoding,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Deleted  bool            `json:"deleted,omitempty"` // of a key of a state
	Gap      string          `json:"gap,omitempty"`     // why messages were missed
	Refused  string          `json:"refused,omitempty"` // why the topic may not be followed for now

	text string // of Data, for people
}

func lineOf(topic string, e client.Event) line {
	l := line{Topic: topic}
	switch {
	case e.Gap != nil:
		l.Gap = string(e.Gap.Reason)
	case e.Refused != nil:
		l.Refused = e.Refused.Error()
	default:
		m := e.Message
		l.ID, l.Event, l.Key, l.Offset = m.ID, m.Event, m.Key, m.Offset
		if m.TellTime {
			l.Time = &m.Time
		}
		l.setData(m.Data, m.Encoding)
	}
	return l
}

func (l *line) setData(data []byte, encoding push.Encoding) {
	switch encoding {
	case push.EncodingJSON:
		l.Data, l.text = data, string(data)
	case push.EncodingBinary:
		l.Encoding, l.text = "base64", base64.StdEncoding.EncodeToString(data)
		l.Data = quoted(l.text)
	default:
		l.text = string(data)
		l.Data = quoted(l.text)
	}
}

func quoted(text string) json.RawMessage {
	data, _ := json.Marshal(text) // a string always can
	return data
}
