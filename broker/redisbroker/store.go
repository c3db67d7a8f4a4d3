package redisbroker

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tidewire/tidewire/push"
)

//go:embed head.lua
var headLua string

//go:embed publish.lua
var publishLua string

//go:embed read.lua
var readLua string

// store is a topic's history in Redis: what is asked of the scripts, and what
// they answer.
type store struct {
	client  redis.UniversalClient
	options Options
	calls   calls
	publish *redis.Script
	read    *redis.Script
	silent  bool // in tests: messages are stored and not sent
}

func newStore(client redis.UniversalClient, o Options) *store {
	return &store{
		client:  client,
		options: o,
		calls:   newCalls(),
		publish: redis.NewScript(headLua + publishLua),
		read:    redis.NewScript(headLua + readLua),
	}
}

// keys are the topic's keys, in one hash slot whatever braces its name has: the
// slot is that of a hash of the name.
func (s *store) keys(topic string) (meta, stream, channel string) {
	base := fmt.Sprintf("%s{%08x}%s", s.options.Prefix, hash(topic), topic)
	return base + ":m", base + ":s", base
}

// newEpoch and newTag are random, as in every broker.
func newEpoch() string {
	return push.Epoch(max(rand.Uint64(), 1)).String()
}

func newTag() string { return formatTag(rand.Uint32()) }

func formatTag(tag uint32) string { return fmt.Sprintf("%08x", tag) }

func parsePosition(epoch, offset, tag any) (push.Position, error) {
	e, err := push.ParseEpoch(text(epoch))
	if err != nil {
		return push.Position{}, err
	}
	o, err := strconv.ParseUint(text(offset), 10, 53)
	if err != nil {
		return push.Position{}, err
	}
	t, err := strconv.ParseUint(text(tag), 16, 32)
	if err != nil {
		return push.Position{}, err
	}
	return push.Position{Epoch: e, Offset: o, Tag: uint32(t)}, nil
}

// text gives a reply's element, which is a string or a number.
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

// witnessArgs are a position that the history must have, or nothing.
func witnessArgs(w push.Position) []any {
	if w.IsZero() {
		return []any{"", "0", ""}
	}
	return []any{w.Epoch.String(), w.Offset, formatTag(w.Tag)}
}

// add stores m, whose ID may be repeated if named says so. Witness is the
// highest position that is known to have been stored.
func (s *store) add(ctx context.Context, m *push.Message, named bool, witness push.Position) (push.Receipt, error) {
	meta, stream, channel := s.keys(m.Topic)
	body := encodeBody(m)
	id, retry, sum := meta, time.Duration(0), ""
	if named {
		id, retry, sum = channel+":i:"+m.ID, s.options.Retry, content(m)
	}
	h := s.options.History
	args := append([]any{
		newEpoch(), newTag(), newTag(), body, m.Size(), sum,
		h.Messages, h.Bytes, h.Age.Milliseconds(), s.options.Keep.Milliseconds(), retry.Milliseconds(),
		s.publishCommand(), channel,
	}, witnessArgs(witness)...)
	reply, err := s.call(ctx, s.publish, []string{meta, stream, id}, args)
	if err != nil {
		return push.Receipt{}, err
	}
	if text(reply[0]) == "conflict" {
		return push.Receipt{}, push.ErrConflict
	}
	position, err := parsePosition(reply[1], reply[2], reply[3])
	if err != nil {
		return push.Receipt{}, push.Errorf(push.CodeInternal, push.ErrInternal.Reason, err)
	}
	return push.Receipt{ID: m.ID, Position: position, Duplicate: text(reply[0]) == "duplicate"}, nil
}

// call runs a script and gives the parts of its reply.
func (s *store) call(ctx context.Context, script *redis.Script, keys []string, args []any) ([]any, error) {
	return do(ctx, s.calls, func(ctx context.Context) ([]any, error) {
		reply, err := script.Run(ctx, s.client, keys, args...).Slice()
		if err != nil {
			return nil, unavailable(err)
		}
		return reply, nil
	})
}

// publishCommand sends to all instances.
func (s *store) publishCommand() string {
	if s.silent {
		return ""
	}
	return "PUBLISH"
}

// recent reads the last n messages and the head.
func (s *store) recent(ctx context.Context, topic string, n int, witness push.Position) (push.Page, error) {
	page, err := s.run(ctx, topic, witness, "recent", 0, push.Limit{Messages: n})
	slices.Reverse(page.Messages)
	return page, err
}

// since reads what follows a position, as push.Broker has it.
func (s *store) since(ctx context.Context, topic string, after push.Position, limit push.Limit, witness push.Position) (push.Page, error) {
	page, err := s.run(ctx, topic, witness, "since", after.Offset, limit)
	if err != nil {
		return push.Page{}, err
	}
	page.Gap = gapAfter(after, &page)
	if page.Gap != "" {
		page.Messages = nil
	}
	return page, nil
}

// pageLimit bounds one read of a topic that is catching up.
var pageLimit = push.Limit{Messages: 1000, Bytes: 1 << 20}

// from reads on from a place for those who are here: where the chain is broken,
// the messages that there are come behind the gap. From no place it reads the head.
func (s *store) from(ctx context.Context, topic string, place, witness push.Position) (push.Page, error) {
	if place.IsZero() {
		return s.recent(ctx, topic, 0, witness)
	}
	page, err := s.since(ctx, topic, place, pageLimit, witness)
	if err != nil || page.Gap != push.GapEpoch {
		return page, err
	}
	newest, err := s.recent(ctx, topic, pageLimit.Messages, witness)
	newest.Gap = page.Gap
	return newest, err
}

// gapAfter tells why the page doesn't follow the position, and takes the message
// at the position out of the page.
func gapAfter(after push.Position, page *push.Page) push.GapReason {
	head := page.Head
	switch {
	case after.Epoch != head.Epoch:
		return push.GapEpoch
	case after.Offset > head.Offset:
		return push.GapFork
	case after.Offset == head.Offset:
		if after.Tag != head.Tag {
			return push.GapFork
		}
		return ""
	case len(page.Messages) == 0:
		return push.GapTrimmed
	}
	first := page.Messages[0]
	switch {
	case first.Offset == after.Offset:
		page.Messages = page.Messages[1:]
		if first.Tag != after.Tag {
			return push.GapFork
		}
		if len(page.Messages) == 0 {
			return push.GapTrimmed
		}
	case first.Offset == after.Offset+1:
		if first.PreviousTag != after.Tag {
			return push.GapFork
		}
	default:
		return push.GapTrimmed
	}
	return ""
}

func (s *store) run(ctx context.Context, topic string, witness push.Position, mode string, from uint64, limit push.Limit) (push.Page, error) {
	meta, stream, _ := s.keys(topic)
	args := append([]any{
		newEpoch(), newTag(), s.options.History.Age.Milliseconds(), s.options.Keep.Milliseconds(),
	}, witnessArgs(witness)...)
	args = append(args, mode, from, orMost(limit.Messages, mode), orMost(limit.Bytes, mode))
	reply, err := s.call(ctx, s.read, []string{meta, stream}, args)
	if err != nil {
		return push.Page{}, err
	}
	page, err := parsePage(topic, reply)
	if err != nil {
		return push.Page{}, push.Errorf(push.CodeInternal, push.ErrInternal.Reason, err)
	}
	return page, nil
}

// orMost gives a limit that zero doesn't bound, except for a read of the newest,
// of which zero is none.
func orMost(n int, mode string) int {
	if n == 0 && mode == "since" {
		return 1 << 40
	}
	return n
}

func parsePage(topic string, reply []any) (push.Page, error) {
	if len(reply) != 4 {
		return push.Page{}, errors.New("redisbroker: a read has four parts")
	}
	head, err := parsePosition(reply[0], reply[1], reply[2])
	if err != nil {
		return push.Page{}, err
	}
	page := push.Page{Head: head}
	entries, _ := reply[3].([]any)
	for _, e := range entries {
		fields, _ := e.([]any)
		if len(fields) != 5 {
			return push.Page{}, errors.New("redisbroker: an entry has five parts")
		}
		m, err := parseMessage(topic, head.Epoch.String(), text(fields[0]), text(fields[1]), text(fields[2]), text(fields[3]), text(fields[4]))
		if err != nil {
			return push.Page{}, err
		}
		page.Messages = append(page.Messages, m)
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

// unavailable makes Redis' errors ones that a client may be told.
func unavailable(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return push.AsError(err)
	case strings.HasPrefix(err.Error(), "OOM"):
		return push.Errorf(push.CodeUnavailable, "the broker's memory is full", err)
	default:
		return push.Errorf(push.CodeUnavailable, "the broker can't be reached now", err)
	}
}
