package redisbroker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/broker/internal/follow"
	"github.com/tidewire/tidewire/push"
)

// newEpoch and newTag are random, as in every broker.
func newEpoch() string { return broker.Epoch(max(rand.Uint64(), 1)).String() }
func newTag() string   { return formatTag(rand.Uint32()) }

func formatTag(tag uint32) string { return fmt.Sprintf("%08x", tag) }

// highWaterArgs are what the history must have and must not be, or nothing.
func highWaterArgs(mark follow.HighWater) []any {
	if mark.IsZero() {
		return []any{"", "0", "", ""}
	}
	ended := ""
	if mark.Ended != 0 {
		ended = mark.Ended.String()
	}
	return []any{mark.Epoch.String(), mark.Offset, formatTag(mark.Tag), ended}
}

// parts returns the elements of a script's reply.
func parts(command *redis.Cmd, atLeast int) ([]any, error) {
	reply, err := command.Slice()
	switch {
	case err != nil:
		return nil, unavailable(err)
	case len(reply) > 0 && text(reply[0]) == "stale":
		return nil, follow.ErrStale
	case len(reply) < atLeast:
		return nil, follow.Foreign(errReply)
	}
	return reply, nil
}

var errReply = errors.New("redisbroker: not a reply of the broker's scripts")

// parseReceipt reads what the scripts answer that publish and change.
func parseReceipt(m *push.Message, command *redis.Cmd) (push.Receipt, error) {
	reply, err := parts(command, 1)
	if err != nil {
		return push.Receipt{}, err
	}
	if m.Op != broker.OpPublish {
		if err := refusedChange(reply); err != nil {
			return push.Receipt{}, err
		}
	}
	what := text(reply[0])
	switch {
	case what == "conflict":
		return push.Receipt{}, push.CodeConflict
	case len(reply) < 4:
		return push.Receipt{}, follow.Foreign(errReply)
	}
	position, err := parsePosition(reply[1], reply[2], reply[3])
	if err != nil || position.Offset == 0 && m.Op < broker.OpDelete { // which may add nothing
		return push.Receipt{}, follow.Foreign(errors.Join(errReply, err))
	}
	return push.Receipt{ID: m.ID, Position: position, Duplicate: what == "duplicate"}, nil
}

// parsePage reads what the read script answers.
func parsePage(topic string, newestFirst bool, command *redis.Cmd) (push.Page, error) {
	reply, err := parts(command, 5)
	if err != nil {
		return push.Page{}, err
	}
	head, err := parsePosition(reply[0], reply[1], reply[2])
	if err != nil {
		return push.Page{}, follow.Foreign(err)
	}
	page := push.Page{Head: head, Gap: broker.GapReason(text(reply[4]))}
	switch page.Gap {
	case "", broker.GapEpoch, broker.GapFork, broker.GapTrimmed:
	default:
		return push.Page{}, follow.Foreign(errReply)
	}
	entries, _ := reply[3].([]any)
	for _, e := range entries {
		fields, _ := e.([]any)
		if len(fields) != 5 {
			return push.Page{}, follow.Foreign(errReply)
		}
		m, err := parseMessage(topic, head.Epoch.String(), text(fields[0]), text(fields[1]), text(fields[2]), text(fields[3]), text(fields[4]))
		if err != nil {
			return push.Page{}, follow.Foreign(err)
		}
		page.Messages = append(page.Messages, m)
	}
	if newestFirst {
		slices.Reverse(page.Messages)
	}
	return page, nil
}

// parsePublished reads what the publish script sends to all instances.
func parsePublished(topic, payload string) (*push.Message, error) {
	parts := strings.SplitN(payload, " ", 6)
	if len(parts) != 6 {
		return nil, errors.New("redisbroker: a published message has six parts")
	}
	return parseMessage(topic, parts[0], parts[1], parts[2], parts[3], parts[4], parts[5])
}

func parseMessage(topic, epoch, offset, tag, previous, at, body string) (*push.Message, error) {
	position, err := parsePosition(epoch, offset, tag)
	if err != nil {
		return nil, err
	}
	if position.Offset == 0 {
		return nil, errReply
	}
	p, err := strconv.ParseUint(previous, 16, 32)
	if err != nil {
		return nil, err
	}
	ms, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return nil, err
	}
	m := &push.Message{Topic: topic, Position: position, PreviousTag: uint32(p), Time: time.UnixMilli(ms)}
	return m, decodeBody(m, body)
}

func parsePosition(epoch, offset, tag any) (broker.Position, error) {
	e, err := broker.ParseEpoch(text(epoch))
	if err != nil {
		return broker.Position{}, err
	}
	o, err := strconv.ParseUint(text(offset), 10, 53)
	if err != nil {
		return broker.Position{}, err
	}
	t, err := strconv.ParseUint(text(tag), 16, 32)
	if err != nil {
		return broker.Position{}, err
	}
	if e == 0 || o == 0 && t != 0 {
		return broker.Position{}, errReply
	}
	return broker.Position{Epoch: e, Offset: o, Tag: uint32(t)}, nil
}

// text returns a reply's element, which is a string or a number.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return ""
	}
}
