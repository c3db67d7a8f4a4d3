package fleet

import (
	"fmt"
	"time"
)

// Tally is what has arrived.
type Tally struct {
	// Arrived counts publications that came to a client, each once. Lost are those that a later one has overtaken,
	// Doubled those that came again or too late.
	Arrived, Lost, Doubled int
	// Latency is the time from Sent to the read that brought a publication.
	Latency Histogram

	topics    int
	followers []int       // of each topic
	missing   []int32     // of publication i (see index): followers that haven't got it
	sent      []time.Time // of publication i
	whole     int         // publications that all have
}

func newTally(topics int) *Tally { return &Tally{topics: topics, followers: make([]int, topics)} }

// index is where a publication is in the order of [Tally.Sent].
func (t *Tally) index(topic int, number uint32) int { return (int(number)-1)*t.topics + topic }

// Sent says that the next publication goes out now. Publications go to topic 0, 1, 2 … and round again. It tells the
// topic, and the number that the publication has in it.
func (t *Tally) Sent(now time.Time) (topic, number int) {
	i := len(t.sent)
	topic = i % t.topics
	t.sent = append(t.sent, now)
	t.missing = append(t.missing, int32(t.followers[topic]))
	return topic, i/t.topics + 1
}

// Unanswered is how many publications have not come to all yet.
func (t *Tally) Unanswered() int { return len(t.sent) - t.whole }

// Renew forgets what was counted, but not what every client has got. All that was sent must have arrived.
func (t *Tally) Renew() { t.Arrived, t.Lost, t.Doubled, t.Latency = 0, 0, 0, Histogram{} }

// arrive notes that a client which has all before next gets a number, and returns the client's new next.
func (t *Tally) arrive(topic int, number, next uint32, now time.Time) (uint32, error) {
	if number < next {
		t.Doubled++
		return next, nil
	}
	i := t.index(topic, number)
	if i >= len(t.sent) {
		return next, fmt.Errorf("publication %d of topic %d came before it was sent", number, topic)
	}
	t.Lost += int(number - next)
	t.Arrived++
	t.Latency.add(now.Sub(t.sent[i]))
	t.missing[i]--
	for t.whole < len(t.missing) && t.missing[t.whole] == 0 {
		t.whole++
	}
	return number + 1, nil
}

// Complaint is nil if every client got everything once and in order.
func (t *Tally) Complaint() error {
	if t.Lost+t.Doubled > 0 {
		return fmt.Errorf("%d lost and %d doubled, of %d", t.Lost, t.Doubled, t.Arrived)
	}
	return nil
}
