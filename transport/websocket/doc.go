// Package websocket is a WebSocket server: RFC 6455 with permessage-deflate
// (RFC 7692), over HTTP/1.1.
//
// There is one verb, [Accept], and one noun, [Conn]. Accept turns an HTTP
// request into a connection, or answers the request with the reason why not:
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
// # Reading and writing
//
// One goroutine reads. It must keep reading while the connection is in use,
// since pings, pongs and the peer's close frame are handled on its way to the
// next message. Everything that writes may be called from any goroutine at any
// time: messages are written one after another, control frames go between
// their fragments.
//
// # Fan-out
//
// The same message for many connections is encoded once with [AppendFrame] and
// handed to each by [Conn.WriteFrames], which shares the bytes and joins
// several frames to one write.
//
// # Ending
//
// [Conn.Close] says goodbye and waits for the answer, no longer than
// CloseTimeout. [Conn.CloseNow] drops the connection. A peer that closes shows
// up as a [CloseError] from Read, one that breaks the protocol as a
// [ProtocolError]; either way the connection is closed by then.
//
// A connection costs no goroutine of its own and, while idle, no buffer but
// half a KiB for reading.
package websocket
