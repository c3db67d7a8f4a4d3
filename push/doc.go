// Package push is server push for applications. A message that is published to a topic
// reaches every client that follows the topic, in one order and once each. A client that
// was away gets all it missed when it reconnects, or one notice that messages are missing.
//
//	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
//	r := chi.NewRouter()
//	r.Mount("/push", transport.Routes(hub))
//	hub.Publish(ctx, push.Message{Topic: "orders/42", Data: data})
//
// # What an application does
//
//  1. It makes a hub. [New] takes a [Broker] and [Options], whose zero values are the
//     production defaults. Package membroker has the broker of a single process, package
//     redisbroker that of several instances.
//  2. It says who clients are, and what they may do. [Options.Identify] returns the
//     [Identity] behind a request, [Options.Authorize] decides about each [Access].
//     [Rules] makes an Authorize from patterns of topics; [Anyone] is for public topics.
//     Without Authorize the hub refuses everybody.
//  3. It mounts the hub on its router: transport.Routes has the WebSocket, the event
//     stream and the browser client.
//  4. It publishes. [Hub.Publish] returns a [Receipt] when the message is stored. Code
//     that only publishes needs only a [Publisher].
//  5. It may take messages from clients: [Options.Receive] gets each as an [Inbound], and
//     answers with a [Reply].
//  6. It loads its state again when a client is told of a [broker.Gap]. [Hub.Cursor] is
//     for pages that begin with a state, [Hub.Recent] for those that show the last messages.
//  7. It may keep state topics, maps of keys to values that a [TopicRule] of the broker
//     declares: [Hub.Set] changes a key, [Hub.State] reads all, [Hub.Stream] writes a text
//     bit by bit. docs/live-state.md is the guide.
//  8. It may show who follows a topic: [Options.Presence], [Hub.Members].
//  9. It may end rights before they expire: [Hub.Revoke], [Hub.Restore].
//  10. It watches [Hub.Stats], and sets [Limits] where the defaults don't fit.
//
// Errors that a client may see are of type [*Error]. Each has a [Code], and a code is an
// error by itself: errors.Is(err, push.CodeConflict).
//
// # The end
//
// The Shutdown of an http.Server makes the hub ask its clients to reconnect elsewhere (see
// [Hub.Drain]). [Hub.Shutdown] waits for them, so a main function ends with both:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer stop()
//	go server.ListenAndServe()
//	<-ctx.Done()
//	limit, cancel := context.WithTimeout(context.Background(), 25*time.Second)
//	defer cancel()
//	err := errors.Join(server.Shutdown(limit), hub.Shutdown(limit))
//
// # The path of a message
//
//	Hub.Publish
//	     │
//	     ▼
//	Broker.Publish        assigns the position, stores the message, notifies instances
//	     │
//	     ▼
//	feed                  one for each topic that is followed here: checks that nothing
//	     │                is missing, encodes the message once for each wire format
//	     ▼
//	group                 the topic's subscriptions of one format, divided among shards
//	     │
//	     ▼
//	shard                 one for each processor: in rounds, puts frames into the queues
//	     │                of its sessions, then writes each queue at once
//	     ├─────────────────────────────┐
//	     ▼                             ▼
//	TryWriter.TryWrite            Conn.Write
//	what the socket takes         the rest, and what may have to wait, from a
//	without waiting               goroutine that ends when the queue is empty
//
// Feeds, shards and sessions are in package push/session. Each queue has a bound
// (Options.QueueMessages, Options.QueueBytes). A client that reads too slowly is disconnected, delays nobody else,
// and gets what it missed when it reconnects.
//
// # Reconnecting
//
// A client's position in a topic is a [broker.Position]; its positions in all its topics
// are one cursor, a text that package push/cursor reads and writes. When a client brings
// a cursor, its session first attaches to the feed, which buffers new messages, then
// replays from the broker's history what is between the cursor and the feed's head, then
// releases the buffer. Where history doesn't reach, the client gets a [broker.Gap] instead.
//
// # Brokers and transports
//
// Package broker has what a [Broker] and a hub share; broker/brokertest is the suite for
// brokers. Package push/session has what a transport uses of a hub, and what it provides;
// transport/transporttest is the suite for transports. docs/architecture.md has a recipe
// for each.
package push
