package redisbroker

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// TestUnheardMessagesAreReported has a publisher that sends messages where nobody listens,
// while the broker hears its own probes. They come late, and that is reported.
func TestUnheardMessagesAreReported(t *testing.T) {
	_, client := startServer(t)
	var log journal
	b := brokerOn(t, client, Options{Logger: log.logger(), Check: 50 * time.Millisecond})
	r := &signal{at: make(chan uint64, 100)}
	_, err := b.Subscribe(t.Context(), "a", r)
	must(t, err)
	add(t, b, "a", "x")
	<-r.at
	for range 6 {
		addElsewhere(t, b, client, "a")
		<-r.at
	}
	healthSays(t, b, unheard)
	if n := b.Figures().Repairs; n < 6 {
		t.Errorf("%d repairs, though six messages were read", n)
	}
	log.wantOnce(t, unheard)
	for b.Health(t.Context()) != nil {
		add(t, b, "a", "x")
		<-r.at
	}
	log.wantOnce(t, unheard)
}

// unheard is what is reported.
const unheard = "live messages don't arrive"

// addElsewhere stores a message and sends it to another channel.
func addElsewhere(t *testing.T, b *Broker, client *redis.Client, topic string) {
	t.Helper()
	s := newServer(client, b.options)
	genesis, err := s.Genesis(t.Context())
	must(t, err)
	origin := follow.Origin{Genesis: genesis, Epoch: follow.FirstPosition(genesis, topic).Epoch}
	args := s.addition(&push.Message{ID: "i", Topic: topic, Data: []byte("x")}, false, follow.HighWater{}, origin).command.Args()
	for i, arg := range args {
		if arg == b.options.channel(topic) && i > 6 {
			args[i] = "elsewhere"
		}
	}
	args[0], args[1] = "eval", s.publish.source
	must(t, client.Do(t.Context(), args...).Err())
}
