package push

import (
	"time"
)

// Limits bound what clients can make grow or wait, beyond the bounds of [Options] for
// one connection's queue, replay, topics and messages. The zero value of each field is
// its production default; negative is no limit. Each hub counts for itself.
//
// What counts addresses counts an IPv6 address by its first 64 bits, which are one
// subscriber's. See [Options.Proxies] for where the address comes from. By default a
// loopback or private address that is no listed proxy's client isn't counted,
// because behind a proxy that isn't listed it stands for everybody.
type Limits struct {
	// Connections is how many clients may be connected, or about to be. Past it a
	// client is refused with CodeUnavailable (503) before the application is asked who
	// it is. Default 90 % of the descriptors that the process may open, where there is
	// such a limit. Several hubs in one process have to share them.
	Connections int
	// PerUser is how many connections a user may have; anonymous ones aren't counted.
	// Past it a client is refused with CodeLimitReached. Default 20.
	PerUser int
	// PerAddress is how many connections an address may have. Past it a client is
	// refused with CodeLimitReached (429) before it is asked who it is. Default 200; a
	// number given here also holds for loopback and private addresses.
	PerAddress int

	// Memory is how many bytes may wait for all clients together: what is queued or held
	// back for them, what was read for those that come back, and what they have sent in
	// part. When three quarters of it are taken, the sessions are cut with
	// CodeSlowConsumer that hold the most, where those of one user, or else of one
	// address, are weighed together; new clients are refused with CodeUnavailable (503)
	// until that has helped. It should hold some hundred of the largest messages.
	// Default a quarter of GOMEMLIMIT, or else of the memory of the machine or its
	// container. Several hubs in one process have to share it.
	Memory int64

	// Opens is how fast connections may be opened, on the whole hub. What is past it is
	// refused with CodeUnavailable (503) before it is asked who it is. A client that polls
	// counts when it begins, and when it was away for ten seconds. Default none, because
	// all clients have to be back soon after a restart.
	Opens Rate
	// Failures is how often it may turn out, for one address, that it isn't known who
	// asks (CodeUnauthenticated). Past it the address is refused with CodeRateLimited
	// (429) without asking. Default 5 a minute, and 50 at once, since in an office with
	// one address the credentials of many tabs may expire in one night. A loopback or
	// private address may fail 20 times a second by default, and 50 at once, and is asked
	// about even past that; a rate given here holds for it, too.
	Failures Rate

	// Requests is how fast a WebSocket's client may send frames of any kind, control
	// frames included. One that asks for topics, and the URL, weighs as many frames as it
	// names topics; one that weighs more than the burst is for a client that has used
	// nothing of it. Past it the connection ends with CodeRateLimited. Default 100 a
	// second, and 1,000 at once, so that new topics meet Topics first.
	Requests Rate
	// Topics is how fast one connection may bring topics into being, which are those
	// that nobody follows on this hub, or has followed in the last five seconds. What is
	// past it is refused with CodeRateLimited, topic by topic, and the connection lives. A
	// user has four times that, and an address twenty times: after a restart the 20
	// connections of a user are back at once with 100 topics each, and the 200 of an address
	// with 60 each, of which those that they share count once. Negative PerUser or
	// PerAddress lift this as well; a rate given here also holds for loopback and private
	// addresses. Default 600 a minute, and 600 at once.
	Topics Rate
	// Resumes is how fast one connection may come back to topics with a cursor, each of
	// which may cost a read of history, and how often it may follow states, each of which
	// may cost all keys. What is past it is refused like what is past
	// Topics, and a user and an address have as many times that. Of a poll only those
	// topics count of which the hub doesn't have in memory what follows the cursor, so a
	// client may poll a busy topic. Default 20 a second, and
	// 1,000 at once: an address' 200 connections come back at once with 100 topics each,
	// and a user's 20 do so twice.
	Resumes Rate
	// Sends is how fast messages for Options.Receive may come: from one WebSocket, by
	// POST from one user, or by POST from one address if the user is anonymous. What is
	// past it is refused with CodeRateLimited (429), and the connection lives. Requests
	// for tickets and to refresh a session count as messages by POST. Default 10 a
	// second, and 20 at once. Anonymous POSTs from a loopback or private address
	// aren't counted.
	Sends Rate

	// Silence is how long the client of a WebSocket that speaks our subprotocol and
	// follows nothing yet may say nothing at all. It is pinged when half of that is over;
	// past it the connection ends with CodeTimeout. Default 5 s.
	Silence time.Duration
	// Age is how long a connection lives, less up to a tenth at random. Then its client
	// is asked to come back, as Shutdown does. Default 24 h.
	Age time.Duration
}
