package redisbroker

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

// What the simulation, which is outside of the package, needs of its inside: the
// narrow port with exported names, to put a Redis of its own in place of the real
// one, and to ask both the same.

// SimPort is port.
type SimPort interface {
	Add(ctx context.Context, m *push.Message, repeatable bool, w SimWitness, o SimOrigin) (push.Receipt, error)
	Read(ctx context.Context, topic string, q SimQuery, w SimWitness, o SimOrigin) (push.Page, error)
	Genesis(ctx context.Context) (string, error)
	Heads(ctx context.Context, topics []string) ([]push.Position, error)
	Put(ctx context.Context, set, key string, v push.Stored) (there *push.Stored, err error)
	Take(ctx context.Context, set, key string) ([]byte, error)
	All(ctx context.Context, set string) (map[string]push.Stored, error)
	Notify(ctx context.Context, channel, text string) error
	Open() SimLine
	Close(ctx context.Context) error
}

// SimQuery is query.
type SimQuery struct {
	Newest bool
	After  push.Position
	Limit  push.Limit
}

// SimOrigin is origin.
type SimOrigin struct {
	Genesis string
	Epoch   push.Epoch
}

// ErrSimStale is errStale.
var ErrSimStale = errStale

// SimFirst is the place before the first message of a topic.
func SimFirst(genesis, topic string) push.Position {
	return push.Position{Epoch: firstEpoch(genesis, topic)}
}

// SimWitness is witness.
type SimWitness struct {
	push.Position
	Left push.Epoch
}

// SimLine is line.
type SimLine interface {
	Subscribe(ctx context.Context, channels ...string) error
	Unsubscribe(ctx context.Context, channels ...string) error
	Receive(ctx context.Context) (SimNotice, error)
	Close()
}

// SimNotice is notice.
type SimNotice struct {
	Kind    SimKind
	Channel string
	Text    string
}

// SimKind is noticeKind.
type SimKind = noticeKind

// The kinds.
const (
	SimMessage      = noticeMessage
	SimSubscribed   = noticeSubscribed
	SimUnsubscribed = noticeUnsubscribed
)

// NewSim makes a broker on a port of the simulation.
func NewSim(p SimPort, o Options) *Broker { return newBroker(simPort{p}, o.withDefaults()) }

type simPort struct{ sim SimPort }

func (p simPort) add(ctx context.Context, m *push.Message, repeatable bool, w witness, o origin) (push.Receipt, error) {
	return p.sim.Add(ctx, m, repeatable, SimWitness{w.Position, w.left}, SimOrigin{o.genesis, o.epoch})
}

func (p simPort) read(ctx context.Context, topic string, q query, w witness, o origin) (push.Page, error) {
	return p.sim.Read(ctx, topic, SimQuery{q.newest, q.after, q.limit}, SimWitness{w.Position, w.left}, SimOrigin{o.genesis, o.epoch})
}

func (p simPort) genesis(ctx context.Context) (string, error) { return p.sim.Genesis(ctx) }

func (p simPort) heads(ctx context.Context, topics []string) ([]push.Position, error) {
	return p.sim.Heads(ctx, topics)
}

func (p simPort) put(ctx context.Context, set, key string, v push.Stored) (*push.Stored, error) {
	return p.sim.Put(ctx, set, key, v)
}

func (p simPort) take(ctx context.Context, set, key string) ([]byte, error) {
	return p.sim.Take(ctx, set, key)
}

func (p simPort) all(ctx context.Context, set string) (map[string]push.Stored, error) {
	return p.sim.All(ctx, set)
}

func (p simPort) notify(ctx context.Context, channel, text string) error {
	return p.sim.Notify(ctx, channel, text)
}

func (p simPort) health(context.Context) error                  { return nil }
func (p simPort) place(context.Context, string) (string, error) { return "", nil }
func (p simPort) open(context.Context, string) (line, error)    { return simLine{p.sim.Open()}, nil }
func (p simPort) look(context.Context)                          {}
func (p simPort) close(ctx context.Context) error               { return p.sim.Close(ctx) }

type simLine struct{ sim SimLine }

func (l simLine) subscribe(ctx context.Context, channels ...string) error {
	return l.sim.Subscribe(ctx, channels...)
}

func (l simLine) unsubscribe(ctx context.Context, channels ...string) error {
	return l.sim.Unsubscribe(ctx, channels...)
}

func (l simLine) receive(ctx context.Context) (notice, error) {
	n, err := l.sim.Receive(ctx)
	return notice{n.Kind, n.Channel, n.Text}, err
}

func (l simLine) close() { l.sim.Close() }

// SimPublished is the text that the publish script sends to a channel.
func SimPublished(m *push.Message) string { return published(m) }

// SimContent is what a message that is published again must have in common with
// the first.
func SimContent(m *push.Message) string { return content(m) }

// SimChannel is the topic's channel.
func SimChannel(o Options, topic string) string {
	o = o.withDefaults()
	return o.channel(topic)
}

// SimServer is the real port, with the simulation's names.
func SimServer(client redis.UniversalClient, o Options) SimPort {
	return simServer{newServer(client, o.withDefaults())}
}

type simServer struct{ *server }

func (s simServer) Add(ctx context.Context, m *push.Message, repeatable bool, w SimWitness, o SimOrigin) (push.Receipt, error) {
	return s.add(ctx, m, repeatable, witness{w.Position, w.Left}, origin{genesis: o.Genesis, epoch: o.Epoch})
}

func (s simServer) Read(ctx context.Context, topic string, q SimQuery, w SimWitness, o SimOrigin) (push.Page, error) {
	return s.read(ctx, topic, query{q.Newest, q.After, q.Limit}, witness{w.Position, w.Left}, origin{genesis: o.Genesis, epoch: o.Epoch})
}

func (s simServer) Genesis(ctx context.Context) (string, error) { return s.genesis(ctx) }

func (s simServer) Heads(ctx context.Context, topics []string) ([]push.Position, error) {
	return s.heads(ctx, topics)
}

func (s simServer) Put(ctx context.Context, set, key string, v push.Stored) (*push.Stored, error) {
	return s.put(ctx, set, key, v)
}

func (s simServer) Take(ctx context.Context, set, key string) ([]byte, error) {
	return s.take(ctx, set, key)
}

func (s simServer) All(ctx context.Context, set string) (map[string]push.Stored, error) {
	return s.all(ctx, set)
}

func (s simServer) Notify(ctx context.Context, channel, text string) error {
	return s.notify(ctx, channel, text)
}

func (s simServer) Open() SimLine                   { return nil }
func (s simServer) Close(ctx context.Context) error { return s.close(ctx) }

// SimParse reads what is sent to a channel.
func SimParse(topic, text string) (*push.Message, error) { return parsePublished(topic, text) }

// SimKeys are the topic's keys.
func SimKeys(o Options, topic string) (meta, stream string) {
	meta, stream, _ = o.topicKeys(topic, "")
	return meta, stream
}
