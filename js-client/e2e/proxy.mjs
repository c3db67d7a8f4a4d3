// A TCP proxy that a test can make hostile to WebSockets and event streams, or cut.
import { createServer, connect } from "node:net";

/** Listens on a free port before `target` (host:port). */
export async function startProxy(target) {
  const [host, port] = target.split(":");
  const clients = new Set();
  const pairs = new Set();
  const proxy = {
    /** What becomes of a WebSocket handshake: "pass", "refuse" (status 403), "hang", or "kill" (cut after it succeeded, and after so many ms more). */
    webSockets: "pass",
    killAfter: 0,
    /**
     * What becomes of an event stream: "pass", "buffer" (its headers come, and its body is held back until its end, which doesn't
     * come), or "hang" (nothing of it comes).
     */
    eventStreams: "pass",
    /** Connections that carry nothing for so many ms are cut. */
    idle: undefined,
    /** Nothing gets through: connections are cut as soon as they are made. */
    away: false,
    /** How many WebSocket handshakes, and requests for event streams, have come. */
    handshakes: 0,
    streams: 0,
    /** Cuts all connections that are WebSockets (true), that aren't (false), or all. */
    cut(webSocket) {
      for (const pair of pairs) if (webSocket === undefined || pair.webSocket === webSocket) pair.end();
    },
    /**
     * Leaves the WebSockets and event streams on a dead path: they stay open, and carry nothing more in either direction,
     * not even their end. Idle connections are cut, as a browser cuts them when its network changes.
     */
    swallow() {
      for (const pair of pairs) pair[pair.webSocket || pair.stream ? "swallow" : "end"]();
    },
    /** For how long the oldest open WebSocket has been there, in ms. */
    oldest: () => Math.max(0, ...[...pairs].filter((pair) => pair.webSocket).map((pair) => Date.now() - pair.begun)),
    /** How many connections are open that are WebSockets or event streams. */
    following: () => [...pairs].filter((pair) => pair.webSocket || pair.stream).length,
    /** How many connections are open that are WebSockets (true) or that aren't (false). */
    open: (webSocket) => [...pairs].filter((pair) => pair.webSocket === webSocket).length,
    close() {
      proxy.cut();
      for (const client of clients) client.destroy(); // also those that haven't asked for anything
      return new Promise((done) => server.close(done));
    },
  };
  const server = createServer((client) => {
    clients.add(client);
    client.on("error", () => {}).on("close", () => clients.delete(client));
    if (proxy.away) client.destroy();
    client.once("data", (first) => {
      const webSocket = /^upgrade: websocket/im.test(first.toString("latin1"));
      if (webSocket) proxy.handshakes++;
      if (webSocket && proxy.webSockets === "refuse") {
        client.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return;
      }
      const upstream = connect(Number(port), host);
      const pair = {
        webSocket,
        begun: Date.now(),
        end() {
          pairs.delete(pair);
          client.destroy();
          upstream.destroy();
        },
        swallow() {
          for (const socket of [client, upstream]) {
            socket.unpipe();
            socket.removeAllListeners("data");
            socket.removeListener("close", pair.end);
            socket.allowHalfOpen = true;
            socket.resume();
          }
        },
      };
      pairs.add(pair);
      for (const socket of [client, upstream]) socket.on("error", () => {}).on("close", pair.end);
      if (proxy.idle) for (const socket of [client, upstream]) socket.setTimeout(proxy.idle, pair.end);
      if (webSocket && proxy.webSockets === "hang") return;
      // A browser may ask for a stream on a connection that it had for something else. The stream ends the connection.
      const read = (request) => {
        if (!/^GET \S+\/sse\?/.test(request.toString("latin1"))) return;
        proxy.streams++;
        pair.stream = true;
        if (proxy.eventStreams === "pass") return;
        upstream.unpipe(client);
        let head = "";
        upstream.on("data", (data) => {
          if (head.includes("\r\n\r\n")) return;
          head += data.toString("latin1");
          const end = head.indexOf("\r\n\r\n") + 4;
          if (end > 3 && proxy.eventStreams === "buffer") client.write(head.slice(0, end));
        });
      };
      client.on("data", read);
      upstream.write(first);
      client.pipe(upstream);
      if (webSocket && proxy.webSockets === "kill" && !proxy.killAfter) {
        upstream.once("data", (data) => client.write(data, () => pair.end()));
        return;
      }
      if (webSocket && proxy.webSockets === "kill") upstream.once("data", () => setTimeout(pair.end, proxy.killAfter));
      upstream.pipe(client);
      read(first);
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  return proxy;
}
