package config

import (
	"strings"
	"time"

	"github.com/tidewire/tidewire/broker"
	"github.com/tidewire/tidewire/push"
)

// TopicRules are the rules of the broker.
func (c *Config) TopicRules() []push.TopicRule {
	var rules []push.TopicRule
	for _, pattern := range c.State {
		rules = append(rules, push.TopicRule{Pattern: pattern, State: true})
	}
	for _, r := range c.Topics {
		rules = append(rules, push.TopicRule{
			Pattern: r.Pattern, History: r.History.Options(), Time: r.Time,
			State: r.State, MaxKeys: r.MaxKeys, MaxValue: int(r.MaxValue), MaxBytes: int(r.MaxBytes),
			Interval: time.Duration(r.Interval), TTL: time.Duration(r.TTL),
		})
	}
	return rules
}

// Options are the bounds as the broker wants them.
func (h History) Options() broker.History {
	return broker.History{Messages: h.Messages, Bytes: int(h.Bytes), Age: time.Duration(h.Age)}
}

// HubOptions are the options of the hub that the configuration has by itself: all but those of
// access.
func (c *Config) HubOptions() push.Options {
	l := c.Limits
	options := push.Options{
		Presence: c.Presence, Origins: c.Origins, Recheck: time.Duration(c.Recheck), DrainWindow: time.Duration(c.Drain.Window),
		QueueMessages: l.QueueMessages, QueueBytes: int(l.QueueBytes),
		ReplayMessages: l.ReplayMessages, ReplayBytes: int(l.ReplayBytes),
		MaxTopics: l.MaxTopics, MaxInbound: int(l.MaxInbound),
		Limits: push.Limits{
			Connections: l.Connections, PerUser: l.PerUser, PerAddress: l.PerAddress, Memory: int64(l.Memory),
			Opens: push.Rate(l.Opens), Failures: push.Rate(l.Failures), Requests: push.Rate(l.Requests),
			Topics: push.Rate(l.Topics), Resumes: push.Rate(l.Resumes), Sends: push.Rate(l.Sends), Age: time.Duration(l.Age),
		},
	}
	options.Proxies, _ = c.Prefixes() // Check has seen them
	if c.Anyone {
		options.Origins = append([]string{push.AnyOrigin}, c.Origins...)
		if options.Limits.PerAddress == 0 {
			options.Limits.PerAddress = -1 // a load test comes from one
		}
	}
	return options
}

// Hosts are the names of the server, with commas between.
func (c *Config) Hosts() string { return strings.Join(c.Host, ",") }
