package main

import "slices"

// mutant is one way to break the code.
type mutant struct {
	name    string
	without string // the healer that would hide it
	patches []patch
}

func (m mutant) String() string {
	if m.without == "" {
		return m.name
	}
	return m.name + ", without " + m.without
}

// all gives the mutant's patches, with those that switch its healer off.
func (m mutant) all() []patch {
	if m.without == "" {
		return m.patches
	}
	return append(slices.Clone(healer(m.without).patches), m.patches...)
}

const (
	brokerGo       = "broker/internal/follow/broker.go"
	originGo       = "broker/internal/follow/origin.go"
	historyGo      = "broker/internal/follow/history.go"
	connectionGo   = "broker/internal/follow/connection.go"
	highWaterGo    = "broker/internal/follow/highwater.go"
	repairGo       = "broker/internal/follow/repair.go"
	revokerGo      = "push/revoker.go"
	learnGo        = "push/learn.go"
	storeGo        = "broker/internal/follow/sim/store.go"
	scriptGo       = "broker/internal/follow/sim/script.go"
	storedGo       = "broker/internal/follow/sim/history.go"
	feedGo         = "push/session/feed.go"
	followGo       = "push/session/follow.go"
	catchUpGo      = "push/session/catchup.go"
	messageGo      = "push/message.go"
	readingGo      = "push/session/shared_read.go"
	sessionGo      = "push/session/session.go"
	subscriptionGo = "push/session/subscription.go"
	windowGo       = "push/session/window.go"
	sseConnGo      = "transport/sse/conn.go"
	sseCursorsGo   = "transport/sse/cursors.go"
	writeGo        = "transport/websocket/write.go"
	writerGo       = "push/session/writer.go"
	sseFormatGo    = "transport/sse/format.go"
	recentGo       = "push/session/recent.go"
	mirrorGo       = "push/session/mirror.go"
	lackingGo      = "push/session/lackingkeys.go"
	laggingGo      = "push/session/lagging.go"
	stateFeedGo    = "push/session/statefeed.go"
	stateGroupGo   = "push/session/stategroup.go"
	presenceGo     = "push/session/presence.go"
	presenceRunGo  = "push/session/presencerun.go"
	keymapGo       = "broker/internal/keymap/keymap.go"
	expiryGo       = "broker/internal/follow/expiry.go"

	protocolServerGo = "transport/protocol/server.go"
)

// logMutants are those of topics that are logs, and of what all topics have.
var logMutants = []mutant{
	// The seam between history and live messages.
	{"history read before subscribing", "compare", []patch{{
		brokerGo, "\topening := t.opening()\n", "\topening := t.opening()\n\tif !t.isOpen() {\n\t\tt.repair()\n\t}\n",
	}}},
	{"replay goes beyond the seam", "", []patch{
		{catchUpGo, "w.between(c.since, c.head)", "w.between(c.since, w.end())"},
		{catchUpGo, "end != c.head {", "end != c.head && c.isAhead() {"}, // which would make it right
	}},
	{"replay ends before the seam", "", []patch{{
		catchUpGo, "\tmissed = w.between(c.since, c.head)\n",
		"\tmissed = w.between(c.since, c.head)\n\tmissed = missed[:max(0, len(missed)-1)]\n",
	}}},
	{"what comes during a replay is dropped", "", []patch{{subscriptionGo, "\tcase sub.state != ended:\n\t\tsub.buffer(d.frame)\n", ""}}},
	{"a read delivers what came live meanwhile", "", []patch{{repairGo, "if t.position != from {", "if t.position != from && from.IsZero() {"}}},
	{"two reads at once", "", []patch{
		{repairGo, "\tif t.repairing {\n\t\treturn\n\t}\n", ""},
		{repairGo, "if t.position != from {", "if t.position != from && from.IsZero() {"},
	}},
	{"a page counts as read to the head", "", []patch{
		{historyGo, "broker.Limit{Messages: 1000, Bytes: 1 << 20}", "broker.Limit{Messages: 3, Bytes: 1 << 20}"},
		{repairGo, "\treturn t.position.Offset >= page.Head.Offset", "\tt.position = page.Head\n\treturn t.position.Offset >= page.Head.Offset"},
	}},

	// Which history is it?
	{"cursor of epoch and offset only", "", []patch{
		{messageGo, "m.Offset == p.Offset+1 && m.PreviousTag == p.Tag", "m.Offset == p.Offset+1"},
		{storeGo, "case after.Offset == head.Offset && after.Tag != head.Tag:", "case false:"},
		{storeGo, "case own != nil && s.kept(own) && own.Tag != after.Tag:", "case false:"},
		{storeGo, "case following.PreviousTag != after.Tag:", "case false:"},
		{topicGo, "due := head.Position != t.position", "due := head.Epoch != t.position.Epoch || head.Offset != t.position.Offset"},
		{subscriptionGo, "c.start() != c.head || c.outdated", "c.start().Epoch != c.head.Epoch || c.start().Offset != c.head.Offset"},
		{windowGo, "p == w.at(p.Offset)", "p.Epoch == w.start.Epoch"},
		{highWaterGo, "mark.Offset == p.Offset && mark.Tag != p.Tag", "false"},
		{storedGo, "return mark.Position != rec.head", "return mark.Offset > rec.head.Offset"},
		{storedGo, "return e.Tag != mark.Tag", "return false"},
	}},
	{"tags aren't compared", "", []patch{
		{messageGo, "m.Offset == p.Offset+1 && m.PreviousTag == p.Tag", "m.Offset == p.Offset+1"},
		{storeGo, "case after.Offset == head.Offset && after.Tag != head.Tag:", "case false:"},
		{storeGo, "case own != nil && s.kept(own) && own.Tag != after.Tag:", "case false:"},
		{storeGo, "case following.PreviousTag != after.Tag:", "case false:"},
		{windowGo, "p == w.at(p.Offset)", "p.Epoch == w.start.Epoch"},
	}},
	{"epochs aren't compared", "", []patch{{storeGo, "case after.Epoch != head.Epoch:", "case after.IsZero():"}}},
	{"the head counts as a fork", "", []patch{{storeGo, "case after.Offset > head.Offset:", "case after.Offset >= head.Offset:"}}},
	{"no fence", "", []patch{
		{brokerGo, "mark := b.marks.of(m.Topic)", "mark := HighWater{}"},
		{historyGo, "b.store.Read(ctx, topic, q, mark, origin)", "b.store.Read(ctx, topic, q, HighWater{}, origin)"},
	}},
	{"a fork is nobody else's business", "", []patch{{historyGo, "page.Gap == broker.GapFork || seen == heard", "seen == heard"}}},
	{"what was heard counts for nothing", "", []patch{{historyGo, "page.Gap == broker.GapFork || seen == heard", "page.Gap == broker.GapFork"}}},
	{"no mark is noted", "", []patch{{highWaterGo, "\tmark := w.valid(topic)\n\tswitch {", "\tmark := w.valid(topic)\n\tif true {\n\t\treturn\n\t}\n\tswitch {"}}},
	{"the publisher's mark isn't noted", "", []patch{{brokerGo, "if receipt.Position.Offset > 0 {", "if receipt.Duplicate {"}}},
	{"another branch overtakes the mark", "", []patch{{topicGo, " && !t.broker.marks.contradict(t.name, m.Position)", ""}}},

	// Topics that aren't stored.
	{"a position isn't proven", "", []patch{{storeGo, "\tpage.Gap = s.gapAfter(rec, q.After)\n", ""}}},
	{"another genesis is taken for the one", "", []patch{{storeGo, "if origin.Genesis != s.genesis {", "if false {"}}},
	{"the genesis isn't reloaded", "", []patch{{checkGo, "if err := n.reloadGenesis(); err != nil {", "if err := error(nil); err != nil {"}}},
	{"a topic that isn't stored is where it was", "", []patch{{originGo, "genesis != nil && b.marks.of(topic).IsZero() && at ==", "genesis != nil || at =="}}},
	{"an ID outlives its history", "", []patch{{scriptGo, "known.birth != sc.rec.birth", "known.position.Epoch != sc.rec.head.Epoch"}}},

	// The healers themselves.
	{"no check of quiet topics", "", healer("check").patches},
	{"no look for holes", "check", healer("live").patches},
	{"nothing is compared after a reconnect", "check", healer("compare").patches},
	{"a silent connection stays", "check", healer("probe").patches},
	{"a new connection hears nothing", "", []patch{{connectionGo, "\tfor channel := range n.topics {\n\t\tn.changes[channel] = true\n\t}\n\twake(n.changed)\n\treturn made, nil", "\twake(n.changed)\n\treturn made, nil"}}},
	{"a read that failed isn't tried again", "check", []patch{{repairGo, "\t\tt.mu.Lock()\n\t\tt.again = true\n\t\tt.mu.Unlock()\n", ""}}},

	// Publishing.
	{"publishing again by itself, without an ID", "", []patch{{
		brokerGo, "\t\treceipt, err = b.store.Add(ctx, &m, repeatable, mark, origin)\n",
		"\t\treceipt, err = b.store.Add(ctx, &m, repeatable, mark, origin)\n\t\tif err != nil {\n\t\t\treceipt, err = b.store.Add(ctx, &m, repeatable, mark, origin)\n\t\t}\n",
	}}},
	{"an ID isn't remembered", "", []patch{{brokerGo, `repeatable := m.ID != ""`, `repeatable := m.ID == "never"`}}},
	{"no error where nobody knows", "", []patch{{
		brokerGo, "\t\tb.marks.note(m.Topic, receipt.Position, mark.Position)\n\t}\n\treturn receipt, b.problems.note(err)",
		"\t\tb.marks.note(m.Topic, receipt.Position, mark.Position)\n\t}\n\tif errors.Is(err, push.CodeUnavailable) {\n\t\terr = nil\n\t}\n\treturn receipt, b.problems.note(err)",
	}, {brokerGo, "\t\"context\"\n\t\"sync\"", "\t\"context\"\n\t\"errors\"\n\t\"sync\""}}},

	// Gaps.
	{"a gap is lost", "", []patch{{subscriptionGo, "\t\tsub.applyGap(*d.gap, d.frame)\n", ""}}},
	{"a gap is told twice", "", []patch{{subscriptionGo, "\t\ts.enqueue(frame)\n\t\ts.hub.stats.gaps.Add(1)\n", "\t\ts.enqueue(frame)\n\t\ts.hub.stats.gaps.Add(1)\n\t\ts.enqueue(frame)\n"}}},
	{"a gap is told after newer messages", "", []patch{
		{subscriptionGo, "\tif gap != nil {\n\t\ts.enqueue(s.format.Gap(*gap))\n\t\ts.hub.stats.gaps.Add(1)\n\t} else if c.isAhead() && !c.met {", "\tdefer func() {\n\t\tif gap != nil {\n\t\t\ts.enqueue(s.format.Gap(*gap))\n\t\t}\n\t}()\n\tif gap == nil && c.isAhead() && !c.met {"},
	}},
	{"who replays isn't told of a break", "", []patch{{subscriptionGo, "\t\tc.gap = &gap\n", ""}}},
	{"a part of a replay passes for the whole", "", []patch{
		{readingGo, "\tdefault:\n\t\treturn nil, c.missing(broker.GapTooMany), true", "\tdefault:\n\t\treturn r.window.messages, nil, true"},
		{catchUpGo, "> uint64(c.feed.hub.options.ReplayMessages):", "> 1<<40:"},
	}},

	// What clients may do, and what they make up.
	{"a client's cursor becomes a mark", "", []patch{{
		historyGo, "\treturn page, nil\n}\n\n// reach",
		"\tif !q.Newest {\n\t\tb.marks.note(topic, q.After, mark.Position)\n\t}\n\treturn page, nil\n}\n\n// reach",
	}}},
	{"no other instance hears of a revocation", "", []patch{{revokerGo, "return r.hub.bus.tell(ctx, revocationEvent, value)", "_ = value\n\t\t\treturn nil"}}},
	{"who was revoked is free in an old copy", "", []patch{{learnGo, "\t\t\terr = r.putBack(stored)\n", "\t\t\t_ = stored\n"}}},

	// Clients.
	{"a full queue drops silently", "", []patch{{sessionGo, "\tcase !s.outbox.fits(frame, s.hub.queue):\n\t\ts.cut()\n", "\tcase !s.outbox.fits(frame, s.hub.queue):\n"}}},
	{"who is ahead of an instance counts as behind", "", []patch{{catchUpGo, "return c.from != FromNow && (c.since.Epoch != c.head.Epoch || c.since.Offset > c.head.Offset)", "return false"}}},
	{"who is ahead gets what it has", "", []patch{{subscriptionGo, "if c == nil || frame.Cursor == \"\" {", "if true {"}}},
	{"a subscription goes on after its end", "", []patch{{followGo, "\t\tsub.stop()\n\t\treleased = append(released, sub)\n", ""}}},
	{"the id of an event comes before its data", "", []patch{{sseFormatGo, `{ return appendField(b, "id", cursor) }`, `{ return append(appendField(b, "id", cursor), '\n') }`}}},
	{"a message moves more of the cursor than it says", "", []patch{{protocolServerGo, `at[cursor.Constant:]`, `at[cursor.Constant+1:]`}}},
	{"who is ahead gets what is in memory", "", []patch{{recentGo, "c.recent, gap.Now != head)", "c.recent, false)"}}},
	{"the last messages begin after the first of them", "", []patch{{recentGo, `r.from = before(page.Messages[0])`, `r.from = page.Messages[0].Position`}}},
	{"the id of a stream stays", "", []patch{{sseCursorsGo, "\t\t\tc.topics[i].cursor = f.Cursor\n", ""}}},

	// Writing without waiting.
	{"what doesn't fit into a write is lost", "", []patch{{sseConnGo, "\t\tc.unsent = append(c.unsent, p)\n", ""}}},
	{"what a full socket has left is forgotten", "", []patch{{writeGo, "if err := c.writeBytes(unsent); err != nil {", "if err := error(nil); err != nil {"}}},
	{"what waits isn't written after a round", "", []patch{{writerGo, "\ts.writing = false\n\tif s.busy() {\n\t\ts.wake()\n\t}\n", "\ts.writing = false\n"}}},

	// Shared reads.
	{"the window outlives a break", "", []patch{{feedGo, "\tf.head, f.since = gap.Now, time.Now()\n\tf.forget()\n", "\tf.head, f.since = gap.Now, time.Now()\n"}}},
	{"the window takes what doesn't reach it", "", []patch{{windowGo, "\tif older.start == w.start || !older.contains(w.start) {\n\t\treturn\n\t}\n\tw.oldest = older.oldest\n\tmissing := keepAll(older.between(older.start, w.start))", "\tmissing := keepAll(older.messages)"}}},
	{"a read's answer is taken for another place", "", []patch{{readingGo, "case r.from != c.since:", "case r.from.Epoch != c.since.Epoch:"}}},
	{"the window loses its beginning", "", []patch{{windowGo, "w.start, w.messages = older.start, append(missing, w.messages...)", "w.start, w.messages = older.start, append(missing[:0:0], w.messages...)"}}},
}
