// Package session is the engine of a hub, for authors of transports: it opens a session for each
// client, fans messages out to them, and resumes those that reconnect. Applications use package
// push, and the transports.
//
// A transport serves a client in five steps:
//
//  1. [Host.Admit] counts the client against the limits, and [Admission.Identify] asks who it is.
//     An error refuses the client.
//  2. [Host.Open] begins its session. From then on the hub writes to the transport's [Conn].
//  3. [Session.Subscribe] follows topics, and queues the transport's answer before their messages.
//  4. [Session.Serve] lends the hub the goroutine of a request until the session has ended. A
//     transport with connections of its own returns instead.
//  5. [Session.Close] or [Session.Lost] ends the session when the client has left.
//
// A connection that also receives counts each frame ([Session.CountFrame], [Session.CountTopics]),
// says when it expects one ([Session.ExpectInput]), and gives the application its messages
// ([Session.Inbound]). docs/architecture.md has the recipe, and package
// transport/transporttest the suite that every transport passes.
package session
