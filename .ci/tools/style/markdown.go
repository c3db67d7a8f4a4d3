package main

import (
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine is how many characters a line of Markdown may have that can be broken.
const maxLine = 120

// A page is a Markdown file.
type page struct {
	name     string
	text     string // as it is in the file
	unfenced string // with blocks of code blanked
	prose    string // with all code and the targets of links blanked
	links    []link
	anchors  map[string]bool
}

// A link is one in Markdown: [text](target).
type link struct {
	target string
	line   int
}

var (
	codeSpan  = regexp.MustCompile("(?s)``.+?``|`[^`]+?`")
	comment   = regexp.MustCompile(`(?s)<!--.*?-->`)
	inline    = regexp.MustCompile(`\]\(\s*<?([^()\s>]*)>?(?:\s+"[^"]*")?\s*\)`)
	reference = regexp.MustCompile(`(?m)^ {0,3}\[[^\]]+\]:\s*(\S+)`)
	webTarget = regexp.MustCompile(`\]\(https?:[^()\s]*\)`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} +(.*?)(?: +#+)?$`)
	anchorTag = regexp.MustCompile(`<a (?:id|name)="([^"]+)"`)
	emptyLine = regexp.MustCompile(`\n[ \t]*\n`)
	emphasis  = strings.NewReplacer("*", "", "`", "")
)

func parsePage(name, text string) *page {
	p := &page{name: name, text: text, anchors: map[string]bool{}}
	prose := []byte(text)
	blankFences(prose)
	p.unfenced = string(prose)
	for _, tag := range anchorTag.FindAllSubmatch(prose, -1) {
		p.anchors[string(tag[1])] = true
	}
	for _, h := range heading.FindAllSubmatch(prose, -1) {
		p.addAnchor(string(h[1]))
	}
	for _, paragraph := range paragraphs(prose) {
		blankAll(prose[paragraph[0]:paragraph[1]], codeSpan)
	}
	blankAll(prose, comment)
	begins := newLines(text)
	for _, form := range []*regexp.Regexp{inline, reference} {
		for _, at := range form.FindAllSubmatchIndex(prose, -1) {
			p.links = append(p.links, link{text[at[2]:at[3]], begins.number(at[2])})
			blank(prose, at[2], at[3])
		}
	}
	p.prose = string(prose)
	return p
}

// addAnchor adds the anchor that GitHub gives a heading: its text in lower case, without
// punctuation, with hyphens for spaces, and a number if the page has it already.
func (p *page) addAnchor(heading string) {
	text := emphasis.Replace(inline.ReplaceAllString(heading, "]"))
	anchor := strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
	unique := anchor
	for n := 1; p.anchors[unique]; n++ {
		unique = fmt.Sprintf("%s-%d", anchor, n)
	}
	p.anchors[unique] = true
}

// problems are the phrases and lines of a page that break a rule.
func (p *page) problems() []finding {
	found := phrasesIn(p.prose, p.name, p.name, inMarkdown)
	unfenced := strings.Split(p.unfenced, "\n")
	for i, line := range strings.Split(p.text, "\n") {
		isTable := strings.HasPrefix(strings.TrimSpace(line), "|")
		isCode := unfenced[i] != line
		size := utf8.RuneCountInString(webTarget.ReplaceAllString(line, "]()"))
		if size > maxLine && !isTable && !isCode {
			found = append(found, finding{
				entry{p.name, "long line"},
				fmt.Sprintf("%s:%d", p.name, i+1),
				fmt.Sprintf("%d characters, and at most %d are allowed", size, maxLine),
			})
		}
	}
	return found
}

// deadLinks are links of a page to files and anchors that don't exist.
func (p *page) deadLinks(root fs.FS, pages map[string]*page) []finding {
	var found []finding
	for _, l := range p.links {
		if strings.Contains(l.target, "://") || strings.HasPrefix(l.target, "mailto:") {
			continue
		}
		if problem := p.problemOf(l.target, root, pages); problem != "" {
			found = append(found, finding{entry{p.name, "dead link"}, fmt.Sprintf("%s:%d", p.name, l.line), problem})
		}
	}
	return found
}

// problemOf says what is wrong with a link's target within the repository, if anything is.
func (p *page) problemOf(target string, root fs.FS, pages map[string]*page) string {
	file, anchor, hasAnchor := strings.Cut(target, "#")
	name := p.name
	if file != "" {
		name = path.Join(path.Dir(p.name), file)
	}
	if _, err := fs.Stat(root, name); err != nil {
		return "there is no " + name
	}
	if to := pages[name]; hasAnchor && to != nil && !to.anchors[anchor] {
		return fmt.Sprintf("%s has no heading #%s", name, anchor)
	}
	return ""
}

// blankFences blanks blocks of code between lines of ``` or ~~~.
func blankFences(text []byte) {
	fence := "" // what the block began with
	for from := 0; from < len(text); {
		to := from
		for to < len(text) && text[to] != '\n' {
			to++
		}
		line := strings.TrimSpace(string(text[from:to]))
		opens := fenceOf(line)
		switch {
		case fence == "":
			fence = opens
		case opens == line && strings.HasPrefix(opens, fence):
			opens, fence = fence, ""
		default:
			opens = fence
		}
		if opens != "" {
			blank(text, from, to)
		}
		from = to + 1
	}
}

// fenceOf returns the ticks or tildes that a line begins with, if they make a fence.
func fenceOf(line string) string {
	for _, mark := range []string{"`", "~"} {
		if fence := line[:len(line)-len(strings.TrimLeft(line, mark))]; len(fence) >= 3 {
			return fence
		}
	}
	return ""
}

// paragraphs are the parts of a text between empty lines: a code span doesn't reach
// from one into the next.
func paragraphs(text []byte) [][2]int {
	var parts [][2]int
	from := 0
	for _, end := range emptyLine.FindAllIndex(text, -1) {
		parts = append(parts, [2]int{from, end[0]})
		from = end[1]
	}
	return append(parts, [2]int{from, len(text)})
}

func blankAll(text []byte, form *regexp.Regexp) {
	for _, at := range form.FindAllIndex(text, -1) {
		blank(text, at[0], at[1])
	}
}
