import { closing } from "./closing.ts";
import { PushError } from "./error.ts";
import type { Link, Transport } from "./transport.ts";

/** Carries frames over a WebSocket. */
export const webSocket =
  (url: string, Socket: typeof WebSocket): Transport =>
  ({ heard, receive, down }) => {
    let socket: WebSocket | undefined;
    const link: Link = {
      name: "websocket",
      fixed: false,
      opened: false,
      buffered: () => socket?.bufferedAmount ?? 0,
      write: (frame) => socket?.send(JSON.stringify(frame)),
      close() {
        if (!socket) return;
        // Not waiting for its end: on a dead path there is none.
        socket.onmessage = socket.onclose = null;
        socket.close();
      },
    };
    try {
      socket = new Socket(url, "tidewire.v1");
      socket.onmessage = ({ data }) => {
        heard();
        receive(data);
      };
      socket.onclose = ({ code, reason }) => down(closing(code, code === 1012 ? +reason : undefined));
    } catch (cause) {
      queueMicrotask(() => down(new PushError("transport_failed", `${cause}`)));
    }
    return link;
  };
