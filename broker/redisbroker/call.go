package redisbroker

import (
	"context"
	"errors"
	"net"
	"slices"

	"github.com/redis/go-redis/v9"
)

// script is a Lua script, called by its hash as long as Redis knows it.
type script struct {
	source string
	hash   string
}

func newScript(source string) *script {
	return &script{source, redis.NewScript(source).Hash()}
}

// call makes a call of the script.
func (s *script) call(keys []string, args []any) *call {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, "evalsha", s.hash, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	c := newCall(append(all, args...)...)
	c.script = s
	return c
}

// call is one command on its way to Redis and back.
type call struct {
	command  *redis.Cmd
	script   *script // whose EVALSHA the command is; nil for others
	size     int     // bytes, roughly
	replicas int     // how many have confirmed it, if that was asked for
}

func newCall(args ...any) *call {
	return &call{command: redis.NewCmd(context.Background(), args...), size: 512}
}

// key is the first key of a script's call.
func (c *call) key() string {
	key, _ := c.command.Args()[3].(string)
	return key
}

// keys are all keys of a script's call.
func (c *call) keys() []string {
	if c.script == nil {
		return nil
	}
	args := c.command.Args()
	n, _ := args[2].(int)
	var keys []string
	for _, arg := range args[3 : 3+n] {
		if key, _ := arg.(string); !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// once is the command as it is given to go-redis, which must not send it again by
// itself when a reply is lost: a message would be stored twice.
func (c *call) once() redis.Cmder { return once{c.command} }

type once struct{ *redis.Cmd }

func (once) NoRetry() bool { return true }

// withoutScript returns the calls that weren't carried out because Redis doesn't know
// their script, after a restart or a failover, with their scripts in full.
func withoutScript(calls []*call) []*call {
	var unknown []*call
	for _, c := range calls {
		if c.script == nil || !redis.HasErrorPrefix(c.command.Err(), "NOSCRIPT") {
			continue
		}
		args := c.command.Args()
		args[0], args[1] = "eval", c.script.source
		c.command = redis.NewCmd(context.Background(), args...)
		unknown = append(unknown, c)
	}
	return unknown
}

// unconnected returns why the call couldn't be sent, if no connection could be made.
func unconnected(c *call) error {
	err := c.command.Err()
	var failed *net.OpError
	if errors.As(err, &failed) && failed.Op == "dial" {
		return err
	}
	return nil
}
