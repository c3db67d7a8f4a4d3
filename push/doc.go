// Package push is what Tidewire is: messages that an application publishes reach
// every client that follows their topic, in one order, each once, or the client
// is told that some are missing.
//
//	hub := push.New(membroker.New(), push.Options{Authorize: push.Anyone})
//	r := chi.NewRouter()
//	r.Mount("/push", transport.Routes(hub))
//	hub.Publish(ctx, push.Message{Topic: "orders/42", Data: data})
//
// # The way of a message
//
//	Hub.Publish
//	     │
//	     ▼
//	Broker.Publish     gives it a Position, stores it, spreads it over the instances
//	     │
//	     ▼
//	feed.Receive       one for each topic that is followed here: encodes it once for
//	     │             each Format
//	     ▼
//	Session.enqueue    one for each client: a bounded queue of shared frames
//	     │
//	     ▼
//	Session.write      runs only while something is queued
//	     │
//	     ▼
//	Conn.Write         of a transport
//
// # Coming back
//
// A client's place in a topic is a [Position]; a [Cursor] is its places in all
// its topics. Session.Subscribe attaches to the feed first, which holds back
// what comes, then replays from the broker's history what lies between the
// client's position and the feed's, and then releases what was held. Where
// history doesn't reach, the client gets a [Gap] in place of the replay.
//
// # Who may
//
// Nobody, until [Options.Authorize] says so. Transports ask the hub, the hub asks
// the application: [Identify], [Authorize], [Receive].
//
// And nobody without end: [Limits] bound connections, attempts and messages, with
// defaults for production. [Hub.Admit] is where a transport meets them.
//
// # The end
//
// http.Server.Shutdown begins to send the clients away ([Hub.Drain]), and [Hub.Shutdown]
// waits for them, so that a main function ends with both:
//
//	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
//	defer stop()
//	go server.ListenAndServe()
//	<-ctx.Done()
//	limit, cancel := context.WithTimeout(context.Background(), 25*time.Second)
//	defer cancel()
//	err := errors.Join(server.Shutdown(limit), hub.Shutdown(limit))
//
// # Interfaces
//
// A [Broker] is where messages get their order; package broker/brokertest tests
// one. A transport gives the hub a [Conn] for each client and a [Format];
// package transport/transporttest tests one.
package push
