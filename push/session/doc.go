// Package session is the half of a hub that transports use. It admits clients, opens
// their sessions, delivers to them, and lets them resume. It is for authors of transports:
// applications need package push.
//
// [Of] returns the [Host] of a hub. docs/architecture.md has a recipe for a transport;
// transport/ws, transport/sse and transport/poll are those that exist, and
// transport/transporttest is the suite that each must pass. The test of that suite is the smallest whole transport.
//
// # What a transport provides
//
// A [Format] encodes messages, gaps and the request to reconnect as a [Frame]. The hub
// encodes each message once and shares the frame among all clients of a format.
//
// A [Conn] is one client's connection: it writes frames, says why it ends, and can be
// aborted. A Conn that can write without waiting is also a [TryWriter]. The hub then
// writes to many clients from few goroutines, and an idle client needs none. A Conn that
// ends with one answer is a [Collector].
//
// # The life of a connection
//
//  1. [Host.Admit] comes first. It refuses foreign origins, and clients past a limit,
//     before they cost anything, and returns an [Admission]: the client's slot.
//     [Admission.Release] must be called once, so defer it. A transport
//     that reads a body first takes [Host.Reserve] and [Admission.Enter] instead, which with
//     [Admission.ExpectBack] make the requests of a client that polls one opening.
//  2. [Admission.Identify] asks the application who the client is.
//  3. [Host.Open] takes a [Client] and returns its [Session], which takes over the slot.
//  4. [Session.Subscribe] asks the application for each [Follow], and queues the frame
//     that the transport makes of the answers ([Followed]) before anything of the topics.
//     [Session.Unsubscribe] ends some of them.
//  5. The hub writes: TryWriter.TryWrite where that is possible, and Conn.Write in a
//     goroutine that may wait. A handler that can't return before its stream ends lends
//     its goroutine to that by [Session.Serve].
//  6. A transport that reads from the client counts what it gets, with a [Meter] for each
//     connection: [Session.CountFrame] for a frame, [Session.CountTopics] for the topics in it.
//     [Session.ExpectInput] and [Session.Busy] say when silence counts against the client, and
//     [Session.Keep] how many bytes of a message are held. [Session.Inbound] gives a
//     message to the application.
//  7. [Session.Close] ends a session, [Session.Lost] one whose connection has failed. The
//     hub may end it as well. Either way Conn.End is the last call, and [Session.Done] is
//     closed after it.
//
// A transport that refuses a client calls [Host.Refused], which counts and logs it.
//
// # Requests without a connection
//
// A request that opens no session is admitted by [Host.Identify], or by
// [Host.IdentifySender] if it brings a message, which [Host.Inbound] gives to the
// application. [Host.Refresh] gives a session a new identity; [Host.Ticket] and
// [Host.Redeem] are for pages that can identify themselves only in a URL.
// [Host.Deliver] publishes past the broker, to the clients of one transport.
//
// # Inside
//
// host.go has the feeds and sessions of a hub. feed.go, group.go, shard.go and writer.go
// take a message from the broker to the connections. follow.go, subscription.go and
// catchup.go are for a client that subscribes or resumes; window.go and shared_read.go
// let many that resume share a read of history. admission.go, limiter.go and slots.go have the
// limits, memory.go and shed.go the ceiling for what waits for all clients. Package
// push/internal/wheel has the one timer of all sessions.
//
// docs/architecture.md has the path of a message, all goroutines, and the order of locks.
package session
