package broker

// Limit bounds a read. Zero fields don't bound, except where a method says otherwise.
type Limit struct {
	Messages int
	Bytes    int // by Message.Size
	// Least is for Since of a push.Broker: how many messages must fit, as far as there are
	// so many. If they don't, none is read.
	Least int
}
