package websocket

import "strings"

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

// eachToken calls yield for every well-formed token of a comma-separated list
// that may be spread over several header lines.
func eachToken(lines []string, yield func(token string) bool) {
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			s := headerScanner{rest: item}
			if token, ok := s.token(); ok && s.done() && !yield(token) {
				return
			}
		}
	}
}

// hasToken reports whether the list holds token, in any case.
func hasToken(lines []string, token string) bool {
	found := false
	eachToken(lines, func(t string) bool {
		found = strings.EqualFold(t, token)
		return !found
	})
	return found
}
