package redisbroker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

// TestUnheardMessagesAreTold has a publisher that sends messages where nobody listens,
// while the broker hears its own probes. They come late, and that is told.
func TestUnheardMessagesAreTold(t *testing.T) {
	_, client := startServer(t)
	var log journal
	b := brokerOn(t, client, Options{Logger: log.logger(), Check: 50 * time.Millisecond})
	r := &signal{at: make(chan uint64, 100)}
	_, err := b.Subscribe(t.Context(), "a", r)
	must(t, err)
	add(t, b, "a", "x")
	<-r.at
	for range 2 * unheardAfter {
		addElsewhere(t, b, client, "a")
		<-r.at
	}
	healthSays(t, b, errUnheard.Reason)
	log.wantOnce(t, errUnheard.Reason)
	for b.Health(t.Context()) != nil {
		add(t, b, "a", "x")
		<-r.at
	}
	log.wantOnce(t, errUnheard.Reason)
}

// TestSingleLostMessagesAreNoTrouble has one message after the other that is lost, with
// those between them heard.
func TestSingleLostMessagesAreNoTrouble(t *testing.T) {
	_, client := startServer(t)
	var log journal
	b := brokerOn(t, client, Options{Logger: log.logger(), Check: 20 * time.Millisecond})
	r := &signal{at: make(chan uint64, 100)}
	_, err := b.Subscribe(t.Context(), "a", r)
	must(t, err)
	for range 3 * unheardAfter {
		addElsewhere(t, b, client, "a")
		<-r.at
		l := b.links[""]
		for heard := false; !heard; { // a whole check hears something and misses nothing
			add(t, b, "a", "x")
			<-r.at
			l.mu.Lock()
			heard = l.live.missed == 0
			l.mu.Unlock()
		}
	}
	if strings.Contains(log.String(), errUnheard.Reason) {
		t.Errorf("told: %s", &log)
	}
	if err := b.Health(t.Context()); errors.Is(err, errUnheard) && strings.Contains(err.Error(), errUnheard.Reason) {
		t.Errorf("health: %v", err)
	}
}

// addElsewhere stores a message and sends it to another channel.
func addElsewhere(t *testing.T, b *Broker, client *redis.Client, topic string) {
	t.Helper()
	s := newServer(client, b.options)
	o := origin{genesis: *b.genesis.Load()}
	o.epoch = firstEpoch(o.genesis, topic)
	args := s.addition(&push.Message{ID: "i", Topic: topic, Data: []byte("x")}, false, witness{}, o).command.Args()
	for i, arg := range args {
		if arg == b.options.channel(topic) && i > 6 {
			args[i] = "elsewhere"
		}
	}
	args[0], args[1] = "eval", s.publish.source
	must(t, client.Do(t.Context(), args...).Err())
}
