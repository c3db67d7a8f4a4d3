// Package websocket is RFC 6455 with permessage-deflate (RFC 7692), over HTTP/1.1, for
// servers and clients. It knows nothing of the rest of Tidewire and may be used alone.
//
// There are two verbs and one noun. [Accept] turns an HTTP request into a [Conn], or
// answers the request with the reason why not:
//
//	func serve(w http.ResponseWriter, r *http.Request) {
//		conn, err := websocket.Accept(w, r, nil)
//		if err != nil {
//			return // Accept has answered the request
//		}
//		defer conn.CloseNow()
//		for {
//			typ, data, err := conn.Read(context.Background())
//			if err != nil {
//				return
//			}
//			conn.Write(context.Background(), typ, data)
//		}
//	}
//
// [Dial] connects to a server, and returns a Conn that works in the same way:
//
//	conn, _, err := websocket.Dial(ctx, "wss://example.com/chat", nil)
//
// # Reading and writing
//
// One goroutine reads. It must keep reading while the connection is in use, since
// pings, pongs and the peer's close frame are handled on the way to the next message.
// Everything that writes may be called from any goroutine at any time: messages are
// written one after another, control frames go between their fragments.
//
// # Ending
//
// [Conn.Close] sends a close frame and waits for the answer, no longer than
// CloseTimeout. [Conn.CloseNow] drops the connection. A peer that closes shows up as a
// [CloseError] from Read, one that breaks the protocol as a [ProtocolError]; either way
// the connection is closed by then.
//
// # Many connections
//
// A connection has no goroutine of its own and, while it is idle, no buffer but half a
// KiB for reading. A server with very many of them, or that sends the same to many, has
// more to choose from:
//
//   - [Acceptor] lets connections share their options.
//   - [Conn.Receive] reads without a goroutine or a buffer while nothing arrives.
//   - [AppendFrame] encodes a message once; [Conn.WriteFrames] writes the same bytes to
//     each connection, several frames in one write. [AppendCompressedFrame] does that
//     with compression, for connections that [Conn.SharesCompressed].
//   - [Conn.TryWriteFrames] writes what the kernel takes, and never waits.
package websocket
