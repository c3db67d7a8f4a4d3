import { caught, ofClose } from "./failure.ts";
import type { Http } from "./http.ts";
import type { Link, Listener } from "./link.ts";
import type { Options, WebSocketLike } from "./types.ts";

/** Carries frames over a WebSocket. A page that has a token gets a ticket for it, since a handshake can have no header. */
export function webSocket(http: Http, Socket: Options["WebSocket"], listener: Listener): Link {
  let socket: WebSocketLike | undefined;
  let closed = false;
  const open = async (): Promise<void> => {
    const ticket = http.authenticates && (await http.ticket());
    if (closed) return;
    const url = http.url("ws", new URLSearchParams(ticket ? { ticket } : {}), "ws");
    const made = new (Socket ?? WebSocket)(url, "tidewire.v1") as WebSocket;
    made.onmessage = ({ data }) => listener.hear(data);
    made.onclose = (close) => listener.ended(ofClose(close));
    // In Node the package `ws` throws an error that nobody listens for. What it means, the close event says.
    made.onerror = () => {};
    socket = made;
  };
  open().catch((cause) => {
    if (!closed) listener.ended(caught(cause, "transport_failed"));
  });
  return {
    send: (json) => socket?.send(json),
    get buffered() {
      return socket?.bufferedAmount ?? 0;
    },
    close() {
      closed = true;
      // Nobody waits for the end: on a dead path there is none.
      if (socket) socket.onmessage = socket.onclose = null;
      socket?.close();
    },
  };
}
