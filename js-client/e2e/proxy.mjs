// A TCP proxy that a test can make hostile to WebSockets, cut, or silence.
import { createServer, connect } from "node:net";

/** Listens on a free port before `target` (host:port). */
export async function startProxy(target) {
  const [host, port] = target.split(":");
  const pairs = new Set();
  const proxy = {
    /** What becomes of a WebSocket handshake: "pass", "refuse" (status 403), "hang", or "kill" (cut right after it succeeded). */
    webSockets: "pass",
    /** How many WebSocket handshakes have come. */
    handshakes: 0,
    /** Cuts all connections that are WebSockets (true), that aren't (false), or all. */
    cut(webSocket) {
      for (const pair of pairs) if (webSocket === undefined || pair.webSocket === webSocket) pair.end();
    },
    /** How many connections are open that are WebSockets (true) or that aren't (false). */
    open: (webSocket) => [...pairs].filter((pair) => pair.webSocket === webSocket).length,
    close() {
      proxy.cut();
      return new Promise((done) => server.close(done));
    },
  };
  const server = createServer((client) => {
    client.on("error", () => {});
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
        end() {
          client.destroy();
          upstream.destroy();
        },
      };
      pairs.add(pair);
      for (const socket of [client, upstream]) {
        socket.on("error", () => {});
        socket.on("close", () => {
          pairs.delete(pair);
          pair.end();
        });
      }
      if (webSocket && proxy.webSockets === "hang") return;
      upstream.write(first);
      client.pipe(upstream);
      if (webSocket && proxy.webSockets === "kill") {
        upstream.once("data", (data) => client.write(data, () => pair.end()));
        return;
      }
      upstream.pipe(client);
    });
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  return proxy;
}
