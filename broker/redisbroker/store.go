package redisbroker

import (
	"context"
	_ "embed" // the scripts
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/push"
)

//go:embed put.lua
var putLua string

//go:embed take.lua
var takeLua string

//go:embed all.lua
var allLua string

var _ push.Store = (*Broker)(nil)

// Put stores a value; see [push.Store].
func (b *Broker) Put(ctx context.Context, set, key string, value []byte, ttl time.Duration) error {
	if ttl < time.Millisecond {
		return push.Errorf(push.CodeBadRequest, "a time to live is at least a millisecond", nil)
	}
	if b.isClosed() {
		return errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.port.put(ctx, set, key, value, ttl)
}

// Take gives a value and forgets it; see [push.Store].
func (b *Broker) Take(ctx context.Context, set, key string) ([]byte, error) {
	if b.isClosed() {
		return nil, errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.port.take(ctx, set, key)
}

// All gives all values of a set; see [push.Store].
func (b *Broker) All(ctx context.Context, set string) (map[string][]byte, error) {
	if b.isClosed() {
		return nil, errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	return b.port.all(ctx, set)
}

// setKeys are the keys of a set, in one hash slot. They can't be those of a topic,
// whose name has no control characters.
func (o Options) setKeys(set string) []string {
	base := o.channel("\x01set:" + set)
	return []string{base + ":v", base + ":x"}
}

func (s *server) put(ctx context.Context, set, key string, value []byte, ttl time.Duration) error {
	c := s.store.put.call(s.options.setKeys(set), []any{key, value, ttl.Milliseconds(), push.MaxStored})
	c.size += len(value)
	if err := s.do(ctx, c.key(), addCalls, c); err != nil {
		return err
	}
	room, err := c.command.Int()
	if err == nil && room == 0 {
		return push.Errorf(push.CodeLimitReached, "too much is stored", nil)
	}
	return unavailable(err)
}

func (s *server) take(ctx context.Context, set, key string) ([]byte, error) {
	c := s.store.take.call(s.options.setKeys(set), []any{key})
	if err := s.do(ctx, c.key(), readCalls, c); err != nil {
		return nil, err
	}
	reply, err := parts(c.command, 1)
	if err != nil || len(reply) < 2 || reply[1] == nil {
		return nil, err
	}
	return parseStored(text(reply[0]), text(reply[1]))
}

func (s *server) all(ctx context.Context, set string) (map[string][]byte, error) {
	c := s.store.all.call(s.options.setKeys(set), nil)
	c.size += maxBatchBytes / 4
	if err := s.do(ctx, c.key(), readCalls, c); err != nil {
		return nil, err
	}
	reply, err := parts(c.command, 2)
	if err != nil {
		return nil, err
	}
	fields, _ := reply[1].([]any)
	all := make(map[string][]byte, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		value, err := parseStored(text(reply[0]), text(fields[i+1]))
		if err != nil {
			return nil, err
		}
		if value != nil {
			all[text(fields[i])] = value
		}
	}
	return all, nil
}

// parseStored takes the expiry off a value; nil if it has expired.
func parseStored(now, stored string) ([]byte, error) {
	expires, value, found := strings.Cut(stored, " ")
	at, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || !found {
		return nil, internal(errReply)
	}
	if n, err := strconv.ParseInt(now, 10, 64); err != nil || at <= n {
		return nil, err
	}
	return []byte(value), nil
}

// storeScripts are the scripts of a [push.Store].
type storeScripts struct{ put, take, all *script }

func newStoreScripts() storeScripts {
	return storeScripts{newScript(headLua + putLua), newScript(headLua + takeLua), newScript(headLua + allLua)}
}
