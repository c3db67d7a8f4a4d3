package redisbroker

import (
	"crypto/sha256"
	"encoding/hex"
)

// All names of keys and channels are the prefix, a tag in braces, by which Redis finds
// the hash slot, a letter for their kind, and the name of what they belong to. The tag is
// a hash of that name, so that all of one topic are in one slot, whatever braces its name
// has. What kind of thing, of which topic, and with which ID: two that differ in any of
// these never have the same name.
const (
	kindChannel   = "c:" // where a topic's messages are sent
	kindHead      = "m:" // a topic's head
	kindHistory   = "s:" // a topic's stream
	kindKeys      = "k:" // of a state
	kindDeadlines = "d:" // of a state's keys
	kindID        = "i:" // of a message, behind idSeparator
	kindProbe     = "p:" // a subscriber connection's own channel
	kindValues    = "v:" // of a set
	kindExpiries  = "x:" // of a set

	// idSeparator is a character that neither topics nor IDs can have.
	idSeparator = "\n"
)

// slot is what the names of one thing begin with.
func (o Options) slot(name string) string {
	sum := sha256.Sum256([]byte(name))
	return o.Prefix + "{" + hex.EncodeToString(sum[:4]) + "}"
}

const slotLength = len("{01234567}")

func (o Options) channel(topic string) string { return o.slot(topic) + kindChannel + topic }

// probeChannel is a channel in the hash slot of another, or in any if that is empty.
func (o Options) probeChannel(channel, id string) string {
	slot := o.Prefix
	if channel != "" {
		slot = channel[:len(o.Prefix)+slotLength]
	}
	return slot + kindProbe + id
}

// topicKeys are a topic's head, its history, and what is known of a message ID.
func (o Options) topicKeys(topic, id string) (head, history, known string) {
	slot := o.slot(topic)
	return slot + kindHead + topic, slot + kindHistory + topic, slot + kindID + topic + idSeparator + id
}

// stateKeys are where the keys of a state are, and their deadlines.
func (o Options) stateKeys(topic string) (keys, deadlines string) {
	slot := o.slot(topic)
	return slot + kindKeys + topic, slot + kindDeadlines + topic
}

// genesisKey is the only name that has no tag.
func (o Options) genesisKey() string { return o.Prefix + "genesis" }

// setKeys are the keys of a set.
func (o Options) setKeys(set string) []string {
	slot := o.slot(set)
	return []string{slot + kindValues + set, slot + kindExpiries + set}
}
