package main

import (
	"github.com/tidewire/tidewire/broker"
)

// place is a position without its tag, as gaps name it.
type place struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

func (p place) is(at broker.Position) bool {
	return p.Epoch == at.Epoch.String() && p.Offset == at.Offset
}
