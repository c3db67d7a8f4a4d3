package redisbroker

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

//go:embed put.lua
var putLua string

//go:embed take.lua
var takeLua string

//go:embed all.lua
var allLua string

// Put is put.lua; see [broker.Store].
func (s *server) Put(ctx context.Context, set, key string, v broker.Stored) (*broker.Stored, error) {
	c := s.values.put.call(s.options.setKeys(set), []any{key, v.Value, v.TTL.Milliseconds(), broker.MaxStored, v.Version})
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
		return nil, push.NewError(push.CodeLimitReached, "too much is stored", nil)
	}
	if len(reply) < 2 {
		return nil, s.inspected(ctx, c, follow.Foreign(errReply))
	}
	there, err := parseStored(text(reply[0]), text(reply[1]))
	return there, s.inspected(ctx, c, err)
}

// Take is take.lua; see [broker.Store].
func (s *server) Take(ctx context.Context, set, key string) ([]byte, error) {
	c := s.values.take.call(s.options.setKeys(set), []any{key})
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

// All is all.lua; see [broker.Store].
func (s *server) All(ctx context.Context, set string) (map[string]broker.Stored, error) {
	c := s.values.all.call(s.options.setKeys(set), nil)
	c.size += maxBatchBytes / 4
	if err := s.do(ctx, c.key(), hubCalls, c); err != nil {
		return nil, err
	}
	reply, err := parts(c.command, 2)
	if err != nil {
		return nil, s.inspected(ctx, c, err)
	}
	fields, _ := reply[1].([]any)
	all := make(map[string]broker.Stored, len(fields)/2)
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
func parseStored(now, stored string) (*broker.Stored, error) {
	fields := strings.SplitN(stored, " ", 3)
	if len(fields) < 3 {
		return nil, follow.Foreign(errReply)
	}
	expires, expiresErr := strconv.ParseInt(fields[0], 10, 64)
	version, versionErr := strconv.ParseUint(fields[1], 10, 64)
	at, atErr := strconv.ParseInt(now, 10, 64)
	if err := errors.Join(expiresErr, versionErr, atErr); err != nil {
		return nil, follow.Foreign(err)
	}
	if expires <= at {
		return nil, nil
	}
	return &broker.Stored{Value: []byte(fields[2]), Version: version, TTL: milliseconds(expires - at)}, nil
}

// milliseconds is a time of so many; the longest there is if that isn't long enough.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(n, math.MaxInt64/int64(time.Millisecond)) * int64(time.Millisecond))
}

// valueScripts are the scripts of a [broker.Store].
type valueScripts struct{ put, take, all *script }

func newValueScripts() valueScripts {
	return valueScripts{newScript(ofLogs + headLua + putLua), newScript(ofLogs + headLua + takeLua), newScript(ofLogs + headLua + allLua)}
}
