package redisbroker

import (
	"context"
	"crypto/rand"
	_ "embed" // the script
)

//go:embed genesis.lua
var genesisLua string

// Genesis is part of [follow.StorePort].
func (s *server) Genesis(ctx context.Context) (string, error) {
	c := s.genesis.call([]string{s.options.genesisKey()}, []any{rand.Text()})
	if err := s.do(ctx, c.key(), checkCalls, c); err != nil {
		return "", err
	}
	reply, err := parts(c.command, 1)
	if err != nil {
		return "", err
	}
	return text(reply[0]), nil
}
