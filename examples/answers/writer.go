package main

import (
	"context"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push"
)

const (
	paragraphs = 10
	sentences  = 6 // of a paragraph
)

// write writes an answer, token by token, until it is done, fails, or is to stop.
func (s *site) write(stream *push.Stream, topic, question string) {
	tokens := answer(question)
	failing := len(tokens)
	if strings.Contains(strings.ToLower(question), "fail") {
		failing /= 2
	}
	ticker := time.NewTicker(s.tokenEvery)
	defer ticker.Stop()
	for i, token := range tokens {
		if i == failing {
			s.end(stream.Fail(push.NewError(push.CodeInternal, "the model lost its thread", nil)))
			return
		}
		if _, err := stream.Write([]byte(token)); err != nil {
			s.end(err)
			return
		}
		select {
		case <-stream.Stopped():
			s.stopped(topic)
			s.end(stream.Close())
			return
		case <-ticker.C:
		}
	}
	s.end(stream.Close())
}

// stopped notes that an answer isn't whole because somebody wanted that.
func (s *site) stopped(topic string) {
	_, err := s.hub.Set(context.Background(), push.Message{Topic: topic, Key: stoppedKey, Data: []byte("true"), Encoding: push.EncodingJSON})
	if err != nil {
		s.end(err)
	}
}

// end logs how the end of an answer went wrong. Readers see it by the answer's status.
func (s *site) end(err error) {
	if err != nil {
		slog.Warn("an answer has failed", "error", err)
	}
}

// answer makes up the tokens of an answer, which are the same each time.
func answer(question string) (tokens []string) {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(question)) // never fails
	random := rand.New(rand.NewPCG(hash.Sum64(), 0))
	var order []int
	for p := range paragraphs {
		for range sentences {
			if len(order) == 0 {
				order = random.Perm(len(said))
			}
			for word := range strings.FieldsSeq(said[order[0]]) {
				tokens = append(tokens, word+" ")
			}
			order = order[1:]
		}
		last := &tokens[len(tokens)-1]
		*last = strings.TrimSuffix(*last, " ")
		if p < paragraphs-1 {
			*last += "\n\n"
		}
	}
	return tokens
}
