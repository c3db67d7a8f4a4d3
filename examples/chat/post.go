package main

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidewire/tidewire/push"
)

const (
	maxName = 40
	maxText = 2000
)

// post is the data of a message.
type post struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// readPost checks what a client sent and returns it as data to publish: what is
// stored was written by this server, whatever was sent.
func readPost(in push.Inbound) ([]byte, error) {
	var p post
	if in.Encoding == push.EncodingBinary || json.Unmarshal(in.Data, &p) != nil {
		return nil, push.NewError(push.CodeBadRequest, `a post is {"name":…,"text":…}`, nil)
	}
	p.Name = strings.TrimSpace(p.Name)
	p.Text = strings.TrimSpace(p.Text)
	if err := checkName(p.Name); err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(p.Text); n == 0 || n > maxText {
		return nil, push.NewError(push.CodeBadRequest, "a text has 1 to 2,000 characters", nil)
	}
	return json.Marshal(p)
}

func checkName(name string) error {
	n := utf8.RuneCountInString(name)
	if n == 0 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return push.NewError(push.CodeBadRequest, "a name has 1 to 40 characters, on one line", nil)
	}
	return nil
}
