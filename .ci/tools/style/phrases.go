package main

import (
	"regexp"
	"strings"
)

// A medium is where a phrase is looked for.
type medium int

const (
	everywhere medium = iota
	inMarkdown
	inGo // in comments
)

// A phrase is one that we don't use.
type phrase struct {
	name   string // as docs/STYLE.md shows it
	better string // what to write, as docs/STYLE.md shows it

	// form matches it. Words stand for themselves in any case of letters, a space for
	// any white space, line ends included. It matches whole words only.
	form *regexp.Regexp
	// unless matches, in the sentence around it, where it is right.
	unless *regexp.Regexp

	only      medium
	allowedIn string // a directory in which it is a term
}

// words compiles a form of whole words.
func words(form string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(?:` + strings.ReplaceAll(form, " ", `\s+`) + `)\b`)
}

// things are what "who" doesn't stand for.
const things = `(?:client|server|instance|broker|hub|follower|subscriber|publisher|topic|connection|session|` +
	`proxy|process|browser|page|tab|feed|replica|node|message|frame|request|shard|stream|socket|listener|` +
	`transport|middleware|service|reader|writer|caller)(?:e?s)?`

// phrases is the list of all that we don't use. The table in docs/STYLE.md shows the
// same, which a test holds.
var phrases = []phrase{
	{
		name: "a client who", better: "a client that", form: words(things + `,? who`),
		unless: words(`(?:ask|tell|say|know|told|said|knew|learn|show)\w* (?:\S+ ){0,2}` + things + `,? who|who (?:the|a|it|they) .*`),
	},
	{
		// As the subject of a sentence that isn't a question.
		name: "Who comes back gets …", better: "A client that comes back gets …",
		form:   regexp.MustCompile(`(?:^|[.:]\s+|\n\s*-\s+|\*\*\s*)(Who\s+\S+)[^.?!|#]*[.!:;|]`),
		unless: words(`who (?:the|a|it|they) .*`),
	},
	{
		name: "for who, than who", better: "for anyone who, than a client that",
		form: words(`(?:than|as|but|for|by) who (?:\w+s|have|had|can|could|may)`),
	},
	{
		name: "the rooms", better: "the packages", allowedIn: "examples/chat",
		form: words(`the rooms|(?:this|one|another) (?:one )?room|in (?:a|the) room (?:of|like)`),
	},
	{
		name: "a hole", better: "a vulnerability; in a sequence, a missing message", form: words(`holes?`),
		unless: words(`(?:without|no) holes?`),
	},
	{name: "mend", better: "fix", form: words(`mend(?:s|ed|ing)?`)},
	{name: "can be had", better: "is available", form: words(`(?:is|are|be|was|were) had`)},
	{
		name: "has X told", better: "tells X", form: words(`(?:has|have|had) (?:the |its |a |all )?\w+ told`),
		unless: words(`(?:been|not|just|already|\w+n't) told`),
	},
	{name: "lost or doubled", better: "lost or duplicated", form: words(`lost (?:or|nor|and) doubled|doubled (?:or|nor) lost`)},
	{name: "in silence", better: "silently", form: words(`in silence`)},
	{name: "anew", better: "again, from scratch", form: words(`anew`)},
	{name: "at last", better: "finally", form: words(`at last`)},
	{name: "Else …", better: "Otherwise …", form: regexp.MustCompile(`(?:[.:]|\n\s*-)\s+(Else)\b`)},
	{name: "in place of", better: "instead of", form: words(`in place of`)},
	{name: "shall", better: "must, will", form: words(`shall`)},
	{name: "sees to it that", better: "makes sure that", form: words(`see[sn]? to it`)},
	{
		name: "bring into being", better: "create",
		form: words(`(?:brings?|brought|bringing)(?: \S+){0,4} into being|(?:comes?|came) into being`),
	},
	{
		name: "stands in", better: "is in", form: words(`(?:stands?|stood) (?:in|with|once|there|below|above|beside|at)`),
		unless: words(`(?:stands?|stood) in (?:front|the way|for)`),
	},
	{name: "nothing of ours", better: "none of our goroutines", form: words(`(?:nothing|none|one|code|anything) of ours`)},
	{name: "is well again", better: "has recovered", form: words(`well again|isn't well|system is well`), unless: words(`well-formed`)},
	{name: "sent away", better: "disconnected", form: words(`sen[dt]s?(?: \S+){0,2} away`)},
	{name: "farewell", better: "final frame", form: words(`farewells?`)},
	{name: "decree", better: "revocation record", form: words(`decrees?`)},
	{name: "retreat", better: "withdraw a topic", form: words(`retreats?`)},
	{name: "witness", better: "high-water mark", form: words(`witness(?:es)?`)},
	{name: "astray", better: "moved", form: words(`astray`)},
	{name: "the way of a message", better: "the path of a message", form: words(`way of (?:a|one|the|each) message`)},
	{name: "thereof, wherein", better: "of it, in which", form: words(`(?:there|where)(?:of|in|by|from|upon|to)`)},
	{name: "that which", better: "what", form: words(`that which`)},
	{
		name: "F gives the …", better: "F returns the …", only: inGo,
		// Where a comment begins, after blanked code, and after "and".
		form: regexp.MustCompile(`(?:^|~|[~\n]\n)[ \t]*([A-Za-z]\w* gives)\s+(?:the|an?|all|what|how|each|one|its)\b|\b(and\s+gives)\s`),
	},
	{name: "tells whether", better: "reports whether", form: words(`tells? (?:whether|if|how)`), only: inGo},
}

// in returns the places of a phrase in a text.
func (p *phrase) in(text string) [][]int {
	var places [][]int
	for _, at := range p.form.FindAllStringSubmatchIndex(text, -1) {
		from, to := at[0], at[1]
		for i := 2; i < len(at); i += 2 {
			if at[i] >= 0 {
				from, to = at[i], at[i+1]
			}
		}
		if p.unless != nil && p.unless.MatchString(sentence(text, from, to)) {
			continue
		}
		places = append(places, []int{from, to})
	}
	return places
}

func (p *phrase) isAllowedIn(name string) bool {
	return p.allowedIn != "" && strings.HasPrefix(name, p.allowedIn+"/")
}

// sentence returns the sentence, or the cell of a table, around a part of a text.
func sentence(text string, from, to int) string {
	const ends = ".!?|~"
	begin := strings.LastIndexAny(text[:from], ends) + 1
	if end := strings.IndexAny(text[to:], ends); end >= 0 {
		return text[begin : to+end]
	}
	return text[begin:]
}
