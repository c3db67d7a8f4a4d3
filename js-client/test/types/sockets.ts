// WebSockets and fetches that are not the browser's.
import * as undici from "undici";
import ws, { WebSocket as WS } from "ws";
import { connect } from "../../dist/client.mjs";

connect("/push", { WebSocket, fetch });
connect("/push", { WebSocket: ws });
connect("/push", { WebSocket: WS });
connect("/push", { WebSocket: undici.WebSocket });
connect("/push", { fetch: undici.fetch });
connect("/push", { fetch: (url, init) => fetch(url, { ...init, credentials: "include" }) });
connect("/push", { fetch: (url, init) => undici.fetch(url, { ...init, dispatcher: new undici.Agent() }) });
class NoSocket {
  send(): void {}
}
// @ts-expect-error: a WebSocket can be closed
connect("/push", { WebSocket: NoSocket });
// @ts-expect-error: a promise of an answer
connect("/push", { fetch: () => "text" });
