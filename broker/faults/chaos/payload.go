package main

import (
	"fmt"
	"strconv"
	"strings"
)

// payload names a message: who published it, and as which of theirs. No two messages have the same.
type payload struct{ publisher, sequence int32 }

func (p payload) String() string { return fmt.Sprintf("%d-%d", p.publisher, p.sequence) }

// parsePayload reads a message's data, which may be longer than its payload.
func parsePayload(data string) (payload, error) {
	name, _, _ := strings.Cut(data, " ")
	publisher, sequence, _ := strings.Cut(name, "-")
	p, err := strconv.ParseInt(publisher, 10, 32)
	if err != nil {
		return payload{}, err
	}
	s, err := strconv.ParseInt(sequence, 10, 32)
	return payload{int32(p), int32(s)}, err
}
