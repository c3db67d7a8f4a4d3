package websocket

import (
	"errors"
	"strings"
)

// headerScanner walks through the value of an HTTP header that is made of
// tokens, quoted strings and separators (RFC 9110 section 5.6).
type headerScanner struct{ rest string }

func (s *headerScanner) space() { s.rest = strings.TrimLeft(s.rest, " \t") }

// done reports whether nothing but white space is left.
func (s *headerScanner) done() bool {
	s.space()
	return s.rest == ""
}

// take steps over the separator sep, if it comes next.
func (s *headerScanner) take(sep byte) bool {
	s.space()
	if s.rest == "" || s.rest[0] != sep {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *headerScanner) token() (string, bool) {
	s.space()
	end := 0
	for end < len(s.rest) && isTokenByte(s.rest[end]) {
		end++
	}
	token := s.rest[:end]
	s.rest = s.rest[end:]
	return token, end > 0
}

// tokenOrQuoted reads a token, or a quoted string whose content is a token (RFC
// 6455 section 9.1).
func (s *headerScanner) tokenOrQuoted() (string, bool) {
	if !s.take('"') {
		return s.token()
	}
	var b strings.Builder
	for i := 0; i < len(s.rest); i++ {
		c := s.rest[i]
		switch {
		case c == '"':
			s.rest = s.rest[i+1:]
			return b.String(), b.Len() > 0
		case c == '\\' && i+1 < len(s.rest):
			i++
			c = s.rest[i]
		}
		if !isTokenByte(c) {
			return "", false
		}
		b.WriteByte(c)
	}
	return "", false
}

func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// What a list in a header may hold. No client needs more.
const (
	maxListBytes    = 8 << 10
	maxListElements = 100
)

var (
	errListMalformed = errors.New("not a list of what belongs there")
	errListTooLong   = errors.New("a list of more than 100 elements, or 8 KiB")
)

// eachElement has read step over every element of a comma-separated list, which may be
// spread over several header lines. Empty elements are none (RFC 9110 section 5.6.1),
// but a list that is there has at least one other. read returns false where there is no
// element as it should be.
func eachElement(lines []string, read func(s *headerScanner) bool) error {
	size, elements := 0, 0
	for _, line := range lines {
		if size += len(line); size > maxListBytes {
			return errListTooLong
		}
		s := headerScanner{rest: line}
		for {
			for s.take(',') {
			}
			if s.done() {
				break
			}
			if elements++; elements > maxListElements {
				return errListTooLong
			}
			if !read(&s) || !s.done() && s.rest[0] != ',' {
				return errListMalformed
			}
		}
	}
	if elements == 0 && len(lines) > 0 {
		return errListMalformed
	}
	return nil
}

// parseTokens reads a list of tokens.
func parseTokens(lines []string) (tokens []string, err error) {
	err = eachElement(lines, func(s *headerScanner) bool {
		token, ok := s.token()
		tokens = append(tokens, token)
		return ok
	})
	return tokens, err
}

// hasProtocol reports whether a list names a protocol, in any case of letters and
// without a version (RFC 9110 section 7.8). A connection option is one without version.
func hasProtocol(lines []string, name string) (found bool, err error) {
	err = eachElement(lines, func(s *headerScanner) bool {
		protocol, ok := s.token()
		if ok && s.take('/') {
			_, ok = s.token()
			return ok
		}
		found = found || strings.EqualFold(protocol, name)
		return ok
	})
	return found, err
}
