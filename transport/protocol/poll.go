package protocol

import (
	"github.com/tidewire/tidewire/push/session"
)

// PollStart and PollEnd encode what is around the frames of an answer to a poll, which are
// joined by commas: what became of each topic before them, and behind them the cursor of all
// topics.
func PollStart(answers []session.Followed) []byte {
	o := append(make(object, 0, answersSize(answers)), '{').answers(answers).field("frames")
	return append(o, '[')
}

// PollEnd is described at PollStart.
func PollEnd(cursor string) []byte {
	return append(object("]").name("cursor", cursor), '}')
}
