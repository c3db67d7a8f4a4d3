package redisbroker

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"math"
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
func (b *Broker) Put(ctx context.Context, set, key string, v push.Stored) (there *push.Stored, err error) {
	if err := v.Check(); err != nil {
		return nil, err
	}
	if b.isClosed() {
		return nil, errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	there, err = b.port.put(ctx, set, key, v)
	return there, b.troubles.note(err)
}

// Take gives a value and forgets it; see [push.Store].
func (b *Broker) Take(ctx context.Context, set, key string) ([]byte, error) {
	if b.isClosed() {
		return nil, errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	value, err := b.port.take(ctx, set, key)
	return value, b.troubles.note(err)
}

// All gives all values of a set; see [push.Store].
func (b *Broker) All(ctx context.Context, set string) (map[string]push.Stored, error) {
	if b.isClosed() {
		return nil, errClosed
	}
	ctx, cancel := deadline(ctx)
	defer cancel()
	all, err := b.port.all(ctx, set)
	return all, b.troubles.note(err)
}

func (s *server) put(ctx context.Context, set, key string, v push.Stored) (*push.Stored, error) {
	c := s.store.put.call(s.options.setKeys(set), []any{key, v.Value, v.TTL.Milliseconds(), push.MaxStored, v.Version})
	c.size += len(v.Value)
	if err := s.do(ctx, c.key(), hubCalls, c); err != nil {
		return nil, err
	}
	reply, err := parts(c.command, 1)
	if err != nil {
		return nil, s.inspected(ctx, c, err)
	}
	switch text(reply[0]) {
	case "stored":
		return nil, nil
	case "full":
		return nil, push.Errorf(push.CodeLimitReached, "too much is stored", nil)
	}
	if len(reply) < 2 {
		return nil, s.inspected(ctx, c, foreign(errReply))
	}
	there, err := parseStored(text(reply[0]), text(reply[1]))
	return there, s.inspected(ctx, c, err)
}

func (s *server) take(ctx context.Context, set, key string) ([]byte, error) {
	c := s.store.take.call(s.options.setKeys(set), []any{key})
	if err := s.do(ctx, c.key(), hubCalls, c); err != nil {
		return nil, err
	}
	reply, err := parts(c.command, 1)
	if err != nil || len(reply) < 2 || reply[1] == nil {
		return nil, s.inspected(ctx, c, err)
	}
	v, err := parseStored(text(reply[0]), text(reply[1]))
	if v == nil {
		return nil, s.inspected(ctx, c, err)
	}
	return v.Value, nil
}

func (s *server) all(ctx context.Context, set string) (map[string]push.Stored, error) {
	c := s.store.all.call(s.options.setKeys(set), nil)
	c.size += maxBatchBytes / 4
	if err := s.do(ctx, c.key(), hubCalls, c); err != nil {
		return nil, err
	}
	reply, err := parts(c.command, 2)
	if err != nil {
		return nil, s.inspected(ctx, c, err)
	}
	fields, _ := reply[1].([]any)
	all := make(map[string]push.Stored, len(fields)/2)
	for i := 0; i+1 < len(fields); i += 2 {
		v, err := parseStored(text(reply[0]), text(fields[i+1]))
		if err != nil {
			return nil, s.inspected(ctx, c, err)
		}
		if v != nil {
			all[text(fields[i])] = *v
		}
	}
	return all, nil
}

// parseStored reads a value as it is stored, behind its expiry and its version; nil if
// it has expired.
func parseStored(now, stored string) (*push.Stored, error) {
	fields := strings.SplitN(stored, " ", 3)
	if len(fields) < 3 {
		return nil, foreign(errReply)
	}
	expires, expiresErr := strconv.ParseInt(fields[0], 10, 64)
	version, versionErr := strconv.ParseUint(fields[1], 10, 64)
	at, atErr := strconv.ParseInt(now, 10, 64)
	if err := errors.Join(expiresErr, versionErr, atErr); err != nil {
		return nil, foreign(err)
	}
	if expires <= at {
		return nil, nil
	}
	return &push.Stored{Value: []byte(fields[2]), Version: version, TTL: milliseconds(expires - at)}, nil
}

// milliseconds is a time of so many; the longest there is if that isn't long enough.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond)) * int64(time.Millisecond))
}

// storeScripts are the scripts of a [push.Store].
type storeScripts struct{ put, take, all *script }

func newStoreScripts() storeScripts {
	return storeScripts{newScript(headLua + putLua), newScript(headLua + takeLua), newScript(headLua + allLua)}
}
