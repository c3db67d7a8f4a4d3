package broker

import (
	"errors"
	"strings"
	"unicode"
)

// Pattern is a topic in which wildcards stand for whole segments between slashes, as in the
// patterns of [net/http.ServeMux]: {name} is one segment that isn't empty, and {name...} as
// the last one is all the rest, which may be empty or have slashes. Everything else is
// matched byte for byte, as topics are.
type Pattern []segment

type segment struct {
	text string // literal, or the wildcard's name
	kind segmentKind
}

type segmentKind uint8

const (
	literal segmentKind = iota
	one                 // {name}
	rest                // {name...}
)

// MustParsePattern is ParsePattern for patterns that are part of the program: it panics if
// one is malformed.
func MustParsePattern(text string) Pattern {
	p, err := ParsePattern(text)
	if err != nil {
		panic("broker: pattern " + text + ": " + err.Error())
	}
	return p
}

// ParsePattern reads a pattern. The error says why it is malformed or can match no topic.
func ParsePattern(text string) (Pattern, error) {
	var p Pattern
	shortest := make([]string, 0, strings.Count(text, "/")+1) // topic that it matches
	for part := range strings.SplitSeq(text, "/") {
		if p.ends() {
			return nil, errors.New("{name...} isn't the last segment")
		}
		s, err := parseSegment(part)
		if err != nil {
			return nil, err
		}
		if s.kind != literal && p.Names(s.text) {
			return nil, errors.New("two wildcards are called " + s.text)
		}
		p = append(p, s)
		if s.kind != literal {
			part = "x"
		}
		shortest = append(shortest, part)
	}
	return p, CheckTopic(strings.Join(shortest, "/"))
}

func parseSegment(part string) (segment, error) {
	if !strings.ContainsAny(part, "{}") {
		return segment{text: part}, nil
	}
	name, isOpen := strings.CutPrefix(part, "{")
	name, isClosed := strings.CutSuffix(name, "}")
	name, isRest := strings.CutSuffix(name, "...")
	if !isOpen || !isClosed || !isIdentifier(name) {
		return segment{}, errors.New("a wildcard is a whole segment, {name} or {name...}, and its name a Go identifier")
	}
	if isRest {
		return segment{name, rest}, nil
	}
	return segment{name, one}, nil
}

func isIdentifier(name string) bool {
	for i, r := range name {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r)) {
			return false
		}
	}
	return name != ""
}

// ends reports whether nothing can follow.
func (p Pattern) ends() bool { return len(p) > 0 && p[len(p)-1].kind == rest }

// Names reports whether there is a wildcard of this name.
func (p Pattern) Names(name string) bool {
	for _, s := range p {
		if s.kind != literal && s.text == name {
			return true
		}
	}
	return false
}

// Match reports whether a topic matches, and what the wildcard of a name stands for.
func (p Pattern) Match(topic, name string) (value string, ok bool) {
	left, more := topic, true
	for _, s := range p {
		if !more {
			return "", false
		}
		part := left
		if s.kind == rest {
			more = false
		} else {
			part, left, more = strings.Cut(left, "/")
		}
		switch {
		case s.kind == literal && part != s.text, s.kind == one && part == "":
			return "", false
		case s.kind != literal && s.text == name:
			value = part
		}
	}
	return value, !more
}
