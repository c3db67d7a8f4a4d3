package main

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	maxName = 40
	maxText = 500
)

// form is what somebody fills in, and what is wrong with it.
type form struct{ Name, Text, Problem string }

// MaxName and MaxText are in UTF-16 units, as a browser counts.
func (form) MaxName() int { return maxName }
func (form) MaxText() int { return maxText }

// line is one line of the list.
type line struct {
	Name, Text string
	At         time.Time // UTC
}

// Initial is the first character of the name.
func (l line) Initial() string {
	r, _ := utf8.DecodeRuneInString(l.Name)
	return string(unicode.ToUpper(r))
}

// line returns the line that a form asks for, or what is wrong with the form.
func (f form) line(now time.Time) (l line, problem string) {
	l = line{strings.TrimSpace(f.Name), strings.TrimSpace(f.Text), now.UTC()}
	switch {
	case !utf8.ValidString(l.Name+l.Text) || strings.ContainsFunc(l.Name+l.Text, unicode.IsControl):
		return l, "Please write plain text, on one line."
	case l.Name == "" || utf8.RuneCountInString(l.Name) > maxName:
		return l, "Please say who you are, in at most 40 characters."
	case l.Text == "" || utf8.RuneCountInString(l.Text) > maxText:
		return l, "Please write something, of at most 500 characters."
	}
	return l, ""
}
