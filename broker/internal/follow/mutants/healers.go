package main

// switchable is a healer, which finds what got lost on the way. One may hide that another is
// broken, so each mutant is tried without the healer that would repair what it does.
type switchable struct {
	name    string // as -sim.without has it
	patches []patch
}

const (
	checkGo = "broker/internal/follow/check.go"
	topicGo = "broker/internal/follow/topic.go"
)

var healers = []switchable{
	{"live", []patch{{topicGo, "m.Position, m.Position)\n\t} else if !old {", "m.Position, m.Position)\n\t} else if !old && t.position.IsZero() {"}}},
	{"check", []patch{{checkGo, "topics = n.quietTopics()", "topics = nil"}}},
	{"compare", []patch{
		{checkGo, "topics = n.takeSuspects()", "topics = slices.DeleteFunc(n.takeSuspects(), (*topic).isOpen)"},
		{checkGo, "\t\"context\"\n", "\t\"context\"\n\t\"slices\"\n"},
	}},
	{"probe", []patch{{checkGo, "silent := p.missed >= silentAfter", "silent := false"}}},
}

func healer(name string) switchable {
	for _, h := range healers {
		if h.name == name {
			return h
		}
	}
	panic("no such healer: " + name)
}
