package main

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// violation is a broken promise.
type violation struct {
	kind   violationKind
	client int // noClient if it concerns all
	topic  string
	text   string
	at     time.Time
}

const noClient = -1

type violationKind string

const (
	lost       violationKind = "lost"       // missed in silence
	duplicated violationKind = "duplicated" // delivered, or stored, twice
	disordered violationKind = "disordered" // in another order than the topic's
	mistold    violationKind = "mistold"    // a gap that is wrong, needless or told twice
	misled     violationKind = "misled"     // a copy of a state that went back, or isn't what the broker has
	trespassed violationKind = "trespassed" // delivered to a user who was revoked
	broken     violationKind = "broken"     // anything else
)

// violations are all that was found.
type violations struct {
	mu   sync.Mutex // guards the rest
	all  []violation
	more int // found after the list was full
}

// maxViolations is how many are kept: the first ones tell most.
const maxViolations = 1000

func (v *violations) add(kind violationKind, client int, topic, format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.all) == maxViolations {
		v.more++
		return
	}
	v.all = append(v.all, violation{kind, client, topic, fmt.Sprintf(format, args...), time.Now()})
}

// list gives what was found so far.
func (v *violations) list() []violation {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clip(v.all)
}

// count tells how many of a kind there are.
func (v *violations) count(kind violationKind) int {
	n := 0
	for _, found := range v.list() {
		if found.kind == kind {
			n++
		}
	}
	return n
}
