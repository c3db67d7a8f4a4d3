package main

// a healer finds what got lost on the way. One may hide that another is broken, so
// each mutant is tried without the healers that would mend what it does.
type switchable struct {
	name    string // as -sim.without has it
	patches []patch
}

const (
	checkGo = "broker/redisbroker/check.go"
	topicGo = "broker/redisbroker/topic.go"
)

var healers = []switchable{
	{"live", []patch{{topicGo, "m.Position, m.Position)\n\t} else if !old {", "m.Position, m.Position)\n\t} else if !old && t.place.IsZero() {"}}},
	{"check", []patch{{checkGo, "topics = l.quiet()", "topics = nil"}}},
	{"compare", []patch{
		{checkGo, "topics = l.suspected()", "topics = slices.DeleteFunc(l.suspected(), (*topic).isOpen)"},
		{checkGo, "\t\"context\"\n", "\t\"context\"\n\t\"slices\"\n"},
	}},
	{"probe", []patch{{checkGo, "deaf := p.missed >= deafAfter", "deaf := false"}}},
}

func healer(name string) switchable {
	for _, h := range healers {
		if h.name == name {
			return h
		}
	}
	panic("no such healer: " + name)
}
