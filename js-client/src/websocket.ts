import { closing } from "./closing.ts";
import type { Transport } from "./transport.ts";

/** Carries frames over a WebSocket. */
export const webSocket =
  (url: string, Socket: typeof WebSocket): Transport =>
  ({ heard, receive, down }) => {
    const socket = new Socket(url, "tidewire.v1");
    socket.onmessage = ({ data }) => {
      heard();
      receive(data);
    };
    socket.onclose = ({ code, reason }) => down(closing(code, reason));
    return {
      name: "websocket",
      buffered: () => socket.bufferedAmount,
      write: (frame) => socket.send(JSON.stringify(frame)),
      close() {
        // Nobody waits for its end: on a dead path there is none.
        socket.onmessage = socket.onclose = null;
        socket.close();
      },
    };
  };
