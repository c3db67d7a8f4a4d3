package websocket

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// autobahnSource is what the messages of a chapter of group 12 are cut from. The
// suite has files for it; these are of the same kinds and about as large.
type autobahnSource struct {
	typ  MessageType
	data string
}

// message is the nth message of about size bytes, from one place after the other.
// Text is cut between characters.
func (s autobahnSource) message(n, size int) string {
	from := n * size % (len(s.data) - size)
	m := s.data[from : from+size]
	if s.typ == Text {
		m = strings.ToValidUTF8(m, "")
	}
	return m
}

// autobahnSources are JSON, a picture, prose, HTML, and what is mostly compressed
// already, in the order of the chapters.
func autobahnSources() []autobahnSource {
	rng := rand.New(rand.NewPCG(12, 13))
	const size = 250_000
	words := make([]string, 3000)
	for i := range words {
		for range 1 + rng.IntN(4) {
			words[i] += []string{"ge", "wä", "ten", "lich", "ß", "un", "ster", "o", "dre", "ach"}[rng.IntN(10)]
		}
	}
	word := func() string { return words[int(rng.ExpFloat64()*300)%len(words)] }
	grow := func(next func() string) string {
		var b strings.Builder
		for b.Len() < size {
			b.WriteString(next())
		}
		return b.String()
	}
	grey := 128
	return []autobahnSource{
		{Text, grow(func() string {
			return fmt.Sprintf(`{"id":%d,"name":"%s %s","balance":"€%d.%02d","active":%t},`+"\n",
				rng.IntN(1e6), word(), word(), rng.IntN(1e4), rng.IntN(100), rng.IntN(2) == 0)
		})},
		{Binary, grow(func() string {
			grey = (grey + rng.IntN(9) + 252) & 0xFF
			return string([]byte{byte(grey)})
		})},
		{Binary, grow(func() string {
			if rng.IntN(12) == 0 {
				return word() + ".\r\n"
			}
			return word() + " "
		})},
		{Text, grow(func() string {
			return fmt.Sprintf("<li class=\"%s\"><a href=\"/%s/%d\">%s %s</a></li>\n", word(), word(), rng.IntN(1000), word(), word())
		})},
		{Binary, grow(func() string {
			return fmt.Sprintf("%d 0 obj << /Length 2000 >> stream\n%s\nendstream\n", rng.IntN(1000), noise(2000))
		})},
	}
}
