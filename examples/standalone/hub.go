package main

import (
	"context"

	"github.com/tidewire/tidewire/examples/standalone/internal/access"
	"github.com/tidewire/tidewire/examples/standalone/internal/config"
	"github.com/tidewire/tidewire/push"
	"github.com/tidewire/tidewire/transport/protocol"
)

// newHub makes the hub of a configuration. What users send is published, if any may send.
func newHub(c *config.Config, users *access.Users, broker push.Broker) *push.Hub {
	options := c.HubOptions()
	users.Options(&options)
	var hub *push.Hub
	if users.Send() { // else Receive is nil, which refuses what clients send
		options.Receive = func(ctx context.Context, in push.Inbound) (push.Reply, error) {
			receipt, err := hub.Publish(ctx, in.Message())
			if err != nil {
				return push.Reply{}, err
			}
			return push.Reply{Data: protocol.HTTPReceipt(receipt), Encoding: push.EncodingJSON}, nil
		}
	}
	hub = push.New(broker, options)
	return hub
}
