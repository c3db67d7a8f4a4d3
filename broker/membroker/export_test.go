package membroker

// Topics is how many topics the broker holds.
func (b *Broker) Topics() int {
	n := 0
	for i := range b.shards {
		n += len(b.shards[i].list())
	}
	return n
}
