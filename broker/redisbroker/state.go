package redisbroker

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/broker/internal/keymap"
	"github.com/tidewire/tidewire/push"
)

//go:embed state.lua
var stateLua string

//go:embed change.lua
var changeLua string

//go:embed keys.lua
var keysLua string

//go:embed expire.lua
var expireLua string

//go:embed renew.lua
var renewLua string

// What the scripts are about; see head.lua.
const (
	ofLogs   = "local state = false\n"
	ofStates = "local state = true\n"

	// allowFull begins a script that is carried out in a full Redis, too: it frees memory or keeps
	// keys alive. What it may add is bounded: an entry of the log and of a message ID for each
	// delete, and a deadline for each key. A script that doesn't begin so is refused at its first
	// command that takes memory, if it has changed nothing before.
	allowFull = "#!lua flags=allow-oom\n"
)

// stateScripts are the scripts for states. The one that deletes and touches is the one that
// changes, allowed in a full Redis.
type stateScripts struct{ change, free, keys, fetch, expire, renew *script }

func newStateScripts() stateScripts {
	return stateScripts{
		change: newScript(ofStates + headLua + stateLua + changeLua),
		free:   newScript(allowFull + ofStates + headLua + stateLua + changeLua),
		keys:   newScript(ofStates + headLua + keysLua),
		fetch:  newScript(ofStates + headLua + readLua),
		expire: newScript(allowFull + ofStates + headLua + stateLua + expireLua),
		renew:  newScript(allowFull + ofStates + headLua + stateLua + renewLua),
	}
}

// stateKeys are the keys of a state that its scripts need, besides those of any topic.
func (s *server) stateKeys(topic string) []string {
	meta, stream := s.keys(topic)
	values, deadlines := s.options.stateKeys(topic)
	return []string{meta, stream, values, deadlines}
}

// stateArgs are the arguments of the scripts that change a state.
func (s *server) stateArgs(topic string, mark follow.HighWater, origin follow.Origin, sure bool) []any {
	h := s.options.rules.Of(topic).History
	bare := push.Message{Topic: topic}
	return append(s.headArgs(h.Age, mark, origin, sure), newTag(), min(int64(h.Messages), broker.MaxOffset), h.Bytes,
		"SPUBLISH", s.options.channel(topic), bare.Size())
}

// change is the call that changes a key.
func (s *server) change(m *push.Message, repeatable bool, mark follow.HighWater, origin follow.Origin) *call {
	_, _, id := s.options.topicKeys(m.Topic, m.ID)
	rule := s.options.rules.Of(m.Topic)
	retry, sum := time.Duration(0), ""
	if repeatable {
		retry, sum = s.options.Retry, content(m)
	}
	lasting := *m
	lasting.TTL = keymap.TTL(m, rule)
	start, rest := encodeChange(&lasting)
	units := 0
	if m.Encoding == push.EncodingText {
		units = broker.Units(m.Data)
	}
	condition, offset := conditionArgs(m)
	args := append(s.stateArgs(m.Topic, mark, origin, origin.Fresh), retry.Milliseconds(), sum,
		m.Op.String(), m.Key, m.Data, int(m.Encoding), units, start, rest, m.Size(), lasting.TTL.Milliseconds(),
		rule.MaxKeys, rule.MaxValue, rule.MaxBytes, condition, offset)
	script := s.states.change
	if m.Op == broker.OpDelete || m.Op == broker.OpTouch {
		script = s.states.free
	}
	c := script.call(s.withGenesis(append(s.stateKeys(m.Topic), id)...), args)
	c.size += len(rest) + len(m.Data)
	return c
}

// conditionArgs are what a change asks its key to be.
func conditionArgs(m *push.Message) (condition, offset string) {
	switch {
	case m.IfAbsent:
		return "absent", ""
	case m.IfVersion != broker.Version{}:
		return m.IfVersion.Epoch.String(), strconv.FormatUint(m.IfVersion.Offset, 10)
	default:
		return "", ""
	}
}

// refusalReasons are what the script says of a change that it hasn't made.
var refusalReasons = map[string]*push.Error{
	"not text": push.NewError(push.CodeConflict, keymap.NotText, nil),
	"value":    push.NewError(push.CodeTooLarge, keymap.ValueTooLarge, nil),
	"keys":     push.NewError(push.CodeLimitReached, keymap.TooManyKeys, nil),
	"bytes":    push.NewError(push.CodeLimitReached, keymap.TooManyBytes, nil),
}

// refusedChange returns why a change wasn't made, by the reply of its script; nil if it was.
func refusedChange(reply []any) error {
	what := text(reply[0])
	if err, ok := refusalReasons[what]; ok {
		return err
	}
	switch {
	case what != "version":
		return nil
	case len(reply) < 3:
		return keymap.Conflict(broker.Version{})
	}
	epoch, err := broker.ParseEpoch(text(reply[1]))
	offset, offsetErr := strconv.ParseUint(text(reply[2]), 10, 53)
	if err := errors.Join(err, offsetErr); err != nil || epoch == 0 {
		return follow.Foreign(errors.Join(errReply, err))
	}
	return keymap.Conflict(broker.Version{Epoch: epoch, Offset: offset})
}

// State is part of [follow.StorePort].
func (s *server) State(ctx context.Context, topic string, mark follow.HighWater, origin follow.Origin) (push.Page, error) {
	args := s.headArgs(s.options.rules.Of(topic).History.Age, mark, origin, true)
	c, err := s.doInSlot(ctx, stateCalls, func() *call {
		c := s.states.keys.call(s.withGenesis(s.stateKeys(topic)...), args)
		c.size += maxBatchBytes / 4 // a pipeline mustn't bring too much at once
		return c
	})
	if err != nil {
		return push.Page{}, err
	}
	page, err := parseState(topic, c)
	for _, m := range page.Messages {
		m.TellTime = s.options.rules.Of(topic).Time
	}
	return page, s.inspected(ctx, c, err)
}

// Expire is part of [follow.StorePort].
func (s *server) Expire(ctx context.Context, topic string, mark follow.HighWater, origin follow.Origin) (follow.Expiry, error) {
	c, err := s.doInSlot(ctx, checkCalls, func() *call {
		return s.states.expire.call(s.withGenesis(s.stateKeys(topic)...), s.stateArgs(topic, mark, origin, true))
	})
	if err != nil {
		return follow.Expiry{}, err
	}
	e, err := parseExpiry(c)
	return e, s.inspected(ctx, c, err)
}

// Renew is part of [follow.StorePort].
func (s *server) Renew(ctx context.Context, topic string, keys []string, ttl time.Duration, mark follow.HighWater, origin follow.Origin) (follow.Renewal, error) {
	c, err := s.doInSlot(ctx, addCalls, func() *call {
		args := append(s.stateArgs(topic, mark, origin, true), max(1, ttl.Milliseconds()))
		size := 0
		for _, key := range keys {
			args, size = append(args, key), size+len(key)
		}
		c := s.states.renew.call(s.withGenesis(s.stateKeys(topic)...), args)
		c.size += size
		return c
	})
	if err != nil {
		return follow.Renewal{}, err
	}
	r, err := parseRenewal(c)
	return r, s.inspected(ctx, c, err)
}

// parseRenewal reads what the script that renews answers.
func parseRenewal(c *call) (r follow.Renewal, err error) {
	reply, err := parts(c.command, 4)
	if err != nil {
		return r, err
	}
	if r.Position, err = parsePosition(reply[0], reply[1], reply[2]); err != nil {
		return r, follow.Foreign(err)
	}
	gone, _ := reply[3].([]any)
	for _, key := range gone {
		r.Gone = append(r.Gone, text(key))
	}
	return r, nil
}

// parseExpiry reads what the script for expiry answers.
func parseExpiry(c *call) (follow.Expiry, error) {
	reply, err := parts(c.command, 5)
	if err != nil {
		return follow.Expiry{}, err
	}
	head, err := parsePosition(reply[0], reply[1], reply[2])
	due, dueErr := strconv.ParseInt(text(reply[3]), 10, 53)
	in, inErr := strconv.ParseInt(text(reply[4]), 10, 53)
	if err := errors.Join(err, dueErr, inErr); err != nil || due < 0 || in < 0 {
		return follow.Expiry{}, follow.Foreign(errors.Join(errReply, err))
	}
	return follow.Expiry{Head: follow.Head{Position: head, Due: due}, In: milliseconds(in)}, nil
}

// parseState reads what the script for the keys of a state answers.
func parseState(topic string, c *call) (push.Page, error) {
	reply, err := parts(c.command, 5)
	if err != nil {
		return push.Page{}, err
	}
	head, err := parsePosition(reply[0], reply[1], reply[2])
	if err != nil {
		return push.Page{}, follow.Foreign(err)
	}
	due := map[string]bool{}
	keys, _ := reply[4].([]any)
	for _, key := range keys {
		due[text(key)] = true
	}
	page := push.Page{Head: head}
	fields, _ := reply[3].([]any)
	for i := 0; i+1 < len(fields); i += 2 {
		if due[text(fields[i])] {
			continue
		}
		m, err := parseEntry(topic, head, text(fields[i]), text(fields[i+1]))
		if err != nil {
			return push.Page{}, follow.Foreign(err)
		}
		page.Messages = append(page.Messages, m)
	}
	slices.SortFunc(page.Messages, keymap.Order)
	return page, nil
}

// entryHeader is how much of an entry is before its value; see state.lua.
const entryHeader = 52

var errEntry = errors.New("redisbroker: not an entry of a state")

// parseEntry reads a key as it is stored. It checks the parts again, as decodeBody does.
func parseEntry(topic string, head broker.Position, key, entry string) (*push.Message, error) {
	if len(entry) < entryHeader {
		return nil, errEntry
	}
	epoch, err := broker.ParseEpoch(entry[:16])
	offset, offsetErr := strconv.ParseUint(entry[16:30], 10, 53)
	at, atErr := strconv.ParseUint(entry[30:44], 10, 53)
	encoding, encodingErr := strconv.ParseUint(entry[44:45], 10, 2)
	_, unitsErr := strconv.ParseUint(entry[45:entryHeader], 10, 53)
	if err := errors.Join(err, offsetErr, atErr, encodingErr, unitsErr); err != nil {
		return nil, errors.Join(errEntry, err)
	}
	if epoch != head.Epoch {
		offset = 0
	} else if offset == 0 || offset > head.Offset {
		return nil, errEntry
	}
	m := &push.Message{
		Topic: topic, Key: key, Op: broker.OpSet, Data: []byte(entry[entryHeader:]), Encoding: push.Encoding(encoding),
		Position: broker.Position{Epoch: head.Epoch, Offset: offset}, Time: time.UnixMilli(int64(at)),
	}
	return m, m.Check(len(m.Data))
}
