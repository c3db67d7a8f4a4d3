package main

// stateMutants are those of topics that are states, and of members.
var stateMutants = []mutant{
	// The mirror of a map.
	{"the mirror takes what it has", "", []patch{{mirrorGo, "if mr.has(m.Position) || m.Epoch != mr.position.Epoch {", "if m.Epoch != mr.position.Epoch {"}}},
	{"a piece that the mirror has is added again", "", []patch{
		{mirrorGo, "if mr.has(m.Position) || m.Epoch", "if mr.has(m.Position) && m.Op != broker.OpAppend || m.Epoch"},
		{mirrorGo, "if m.Start != e.units {", "if m.Start > e.units {"},
	}},
	{"what comes while a map is read is dropped", "", []patch{
		{stateFeedGo, "\t\tmr.keep(m)\n", ""},
		{mirrorGo, "return mr.position.Reaches(at)", "return true"},
	}},
	{"a map that is behind is good", "", []patch{{mirrorGo, "return mr.position.Reaches(at)", "return true"}}},
	{"keys outlive a new map", "", []patch{{mirrorGo, "\tmr.order.Init()\n\tmr.entries = make(map[string]*mirrored, len(page.Messages))\n", ""}}},
	{"a map isn't read again after a break", "", []patch{{stateFeedGo, "\tif !f.mirror.loading {\n\t\tf.mirror.loading = true\n\t\tf.hub.work.Go(f.reloadMirror)\n\t}\n", ""}}},
	{"nobody is told of a map that was read again", "", []patch{{stateFeedGo, "\t\tif f.ready {\n\t\t\tf.restartAll()\n\t\t}\n", ""}}},
	{"the list of keys outlives a change", "", []patch{{mirrorGo, "mr.position, mr.listed = m.Position, nil", "mr.position = m.Position"}}},

	// What a client lacks.
	{"a delete is lost", "", []patch{{stateFeedGo, "\tlacking := lackedBy(m)\n", "\tlacking := lackedBy(m)\n\tif m.Op == broker.OpDelete {\n\t\treturn\n\t}\n"}}},
	{"only the last piece of several is told", "", []patch{{lackingGo, "if k.from < there.from {", "if k.from > there.from {"}}},
	{"pieces hide that the value was set", "", []patch{{lackingGo, "\t\tthere.whole = there.whole || k.whole\n", ""}}},
	{"a value that was set is told as a piece", "", []patch{{mirrorGo, "case k.whole, e.set > k.from:", "case k.whole:"}}},
	{"a piece begins too early", "", []patch{{mirrorGo, "Key: e.key, Data: data, Start: k.start,", "Key: e.key, Data: data, Start: max(0, k.start-1),"}}},
	{"what changes while a client lags is dropped", "", []patch{{laggingGo, "\tfor _, k := range keys {\n\t\tl.keys.add(k)\n\t}\n\tl.told = b.number", "\tl.told = b.number"}}},
	{"slow readers of states are queued for", "", []patch{{laggingGo, "\t\t\tif !s.inStep(f.frame) {\n\t\t\t\tbreak\n\t\t\t}\n", ""}}},

	// The cursor, and where a client begins.
	{"the cursor moves within a batch", "", []patch{{laggingGo, "if reached && !l.syncing {", "if !l.syncing {"}}},
	{"a snapshot is whole before its end", "", []patch{{laggingGo, "\tif !reached {\n\t\treturn true\n\t}\n", "\tif !reached && !l.syncing {\n\t\treturn true\n\t}\n"}}},
	{"the cursor of who lagged stays behind", "", []patch{{laggingGo, "\tif reached && l.keys.len() == 0 { // all that has changed since is sent, too\n\t\tl.mark = l.upTo\n\t}\n", ""}}},
	{"a reset isn't told", "", []patch{{laggingGo, "l.whole, l.reset, l.syncing = true, b.reset, true", `l.whole, l.reset, l.syncing = true, "", true`}}},
	{"a reset goes after what was read again", "", []patch{
		{laggingGo, "f.mirror.loading || f.mirror.restarts != l.seen", "f.mirror.loading"},
		{stateGroupGo, "f.mirror.loading || f.mirror.restarts != b.restarts", "f.mirror.loading"},
	}},
	{"a place that is proven is reset", "", []patch{{laggingGo, "l.reset = c.outOfReach()", "l.reset = broker.GapTrimmed"}}},
	{"who comes back gets only what is new", "", []patch{{laggingGo, "\tcase !behind:\n", "\tcase !behind || c.outOfReach() == \"\":\n"}}},
	{"the head isn't awaited", "", []patch{{stateFeedGo, "\t\tif moved == nil {\n", "\t\tif moved == nil || !f.mirror.loading {\n"}}},

	// Changes, and the end of keys.
	{"a condition is ignored", "", []patch{{keymapGo, "if there && c.IfAbsent || asked && (!there || now != c.IfVersion) {", "if there && c.IfAbsent && asked {"}}},
	{"a touch takes the value", "", []patch{{keymapGo, "\t\tnext = old\n", "\t\tnext.version = old.version\n"}}},
	{"a touch doesn't renew", "", []patch{{keymapGo, "\t\tnext.deadline = time.Time{}\n", "\t\tc.TTL = 0\n"}}},
	{"a version outlives its epoch", "", []patch{{keymapGo, "if e.version.Epoch != epoch {", "if epoch == 0 {"}}},
	{"nobody asks for the end of keys", "", []patch{{expiryGo, "if t.isState && due != 0 && (e.due == 0 || due < e.due) {", "if due < 0 {"}}},
	{"the end of keys isn't asked for again", "", []patch{
		{topicGo, "\tt.endsKey(head.Due, 0)", "\t_ = head.Due"},
		{repairGo, "\t\tt.endsKey(unknownDue, 0)\n", ""},
	}},

	{"a read leaves out keys before their time", "", []patch{{keymapGo, "\t\tif e.isDue(now) {\n\t\t\tcontinue\n", "\t\tif e.isDue(now.Add(time.Second)) {\n\t\t\tcontinue\n"}}},
	{"states aren't compared with the store", "", []patch{{topicGo, "quiet := !t.heard && !t.position.IsZero()", "quiet := !t.heard && !t.position.IsZero() && !t.isState"}}},

	// Members.
	{"the members of an instance outlive it", "", []patch{{presenceGo, "memberLease   = 10 * time.Second", "memberLease   = time.Hour"}}},
	{"a member that was lost stays so", "", []patch{{presenceRunGo, "\t\t\tm.told = false\n\t\t\tr.changed[key], p.changed[r] = true, true\n", ""}}},
	{"a member leaves with one of its connections", "", []patch{{presenceGo, "r.members[key].connections--", "r.members[key].connections = 0"}}},
	{"who leaves isn't told", "", []patch{{presenceRunGo, "case m.connections == 0 && m.told:", "case m.connections < 0:"}}},
}
