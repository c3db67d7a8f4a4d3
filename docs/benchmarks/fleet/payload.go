package fleet

import (
	"bytes"
	"fmt"
)

const (
	marker = "seq:"
	digits = 10
	last   = '.'
	// MinPayload is the size of the smallest payload.
	MinPayload = len(marker) + digits + 1
)

// Payload is the publication with this number, of size bytes: text that every wire carries unchanged.
func Payload(number, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size), "%s%0*d", marker, digits, number)
	for i := len(b); i < size-1; i++ {
		b = append(b, 'a'+byte(i%26))
	}
	return append(b, last)
}

// scan calls found with the number of each payload of size bytes in b, which holds whole payloads only. It reports
// whether all of them were as [Payload] made them, at their two ends.
func scan(b []byte, size int, found func(number uint32)) bool {
	for {
		at := bytes.Index(b, []byte(marker))
		if at < 0 {
			return true
		}
		b = b[at:]
		if len(b) < size || b[size-1] != last {
			return false
		}
		var number uint32
		for _, c := range b[len(marker) : len(marker)+digits] {
			if c < '0' || c > '9' {
				return false
			}
			number = number*10 + uint32(c-'0')
		}
		found(number)
		b = b[size:]
	}
}
