// Package follow is everything that a broker over a shared store has in common with
// every other: it turns a store that may lose notifications, fall back to an older
// state or forget everything into the promises of [push.Broker]. A broker such as
// package redisbroker is a [StorePort] for its store, its own options, and a thin type
// around [Broker]. Only brokers import this package.
//
// # What a store must promise
//
// [StorePort] lists the calls; these are the rules behind them.
//
//   - One order. Add gives each message of a topic the next offset (1, 2, 3 …), a random
//     tag and the tag of the message before it, in one atomic step. All instances see the
//     same list.
//   - A history that can't be continued ends. If a topic's head is missing, lacks the
//     caller's high-water mark, or is in an epoch that the mark says has ended, the topic
//     begins again in an epoch that nobody has seen.
//   - Positions are proven. Read returns messages only for a position that it can show to
//     be part of the history, and otherwise says why it can't.
//   - Reading stores nothing, so that asking for a topic that nobody has published to
//     costs nothing.
//   - Errors are honest: an error of Add means "maybe", unless it says that nothing was
//     stored.
//   - A state is a log and a map. A change stores its message in the log and changes its key
//     in one atomic step, which also counts keys and bytes in the head. Each key has the
//     epoch and offset of its last change, and its deadline; the store's clock decides. Before
//     anything else the step deletes keys that are due, by ordinary messages. Then it looks at
//     the message ID, and only after that at the key's version. A topic that begins again keeps
//     its keys, whose version then has offset 0, unless the head was lost or the map isn't what
//     the head counts.
//   - Notifications are best effort. Each carries a stored message. They may be lost,
//     repeated, late or out of order, and a connection may die or fall silent; nothing
//     that was never stored is ever announced by the store itself.
//
// A store need not notify reliably, keep a connection alive, notice a failover, or keep
// what it has acknowledged.
//
// # What follow makes of it
//
//   - A follower gets every message after the position that Subscribe returned, each once
//     and in order, or one Break that says what is missing. Notifications are checked
//     against the chain of tags; what is missing is read from the history, once for all
//     followers of the topic on this instance.
//   - A lost notification is found by the next message of its topic, and otherwise by a
//     comparison of the heads of quiet topics every Options.Check and after each
//     reconnect.
//   - A connection that is alive but silent is found by probes that it sends to itself,
//     and replaced.
//   - A store that has gone back in time is found by high-water marks: the highest
//     position of each topic that this instance has seen stored goes along with every
//     call.
//   - All instances place a topic that isn't stored at the same first position, which
//     they derive from the store's genesis (see [Origin]).
//   - Keys of states end in time while somebody follows them: a timer for each topic with
//     deadlines calls Expire. It goes by the TTL of messages, by what Expire returns, and by
//     the comparison of heads, which finds what a touch has changed.
//   - What the store refuses is logged once a minute and part of Health; a call that
//     waiting can't help fails at once.
//
// # How a call runs through the files
//
// broker.go is what [push.Broker] asks for. topic.go, repair.go and history.go decide
// what followers get; node.go, connection.go and check.go listen, and doubt what they hear;
// state.go and expiry.go are for states; highwater.go and origin.go know what a history must contain and where it begins.
// port.go is all that they ask of the store.
//
// No lock is held while the store is called, so that package sim can run whole systems
// on virtual time with a store of its own.
package follow
