import { expect, test, vi } from "vitest";
import { connect } from "../src/connect.ts";
import { fakeFetch } from "./fakefetch.ts";
import { FakeSocket } from "./fakesocket.ts";
import { client, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

for (const [url, base, socket, stream] of [
  ["/push", "https://a.example/app/x", "wss://a.example/push/ws", "https://a.example/push/sse"],
  ["push/", "http://a.example/app/x", "ws://a.example/app/push/ws", "http://a.example/app/push/sse"],
  ["wss://b.example/p", "http://a.example/", "wss://b.example/p/ws", "https://b.example/p/sse"],
  ["ws://b.example/p", "http://a.example/", "ws://b.example/p/ws", "http://b.example/p/sse"],
  ["/push?tenant=1", "https://a.example/", "wss://a.example/push/ws?tenant=1", "https://a.example/push/sse?tenant=1"],
  ["/push?t=1#x", "https://a.example/", "wss://a.example/push/ws?t=1", "https://a.example/push/sse?t=1"],
] as const)
  test(`${url} in a page of ${base}`, async () => {
    vi.stubGlobal("document", { baseURI: base, hidden: false });
    const { fetch, last } = fakeFetch();
    for (const transport of ["websocket", "sse"] as const) {
      const push = connect(url, { transports: [transport], WebSocket: FakeSocket.type, fetch });
      push.subscribe("a b");
      await settle();
      if (transport === "websocket") expect(FakeSocket.last.url).toBe(socket);
      else expect(last().url.href).toBe(`${stream}${stream.includes("?") ? "&" : "?"}topic=a+b&since=`);
      push.close();
    }
  });

test("where there is no page a relative URL waits for one, and then says what it lacks", async () => {
  const push = connect("/push");
  expect(push.status.state).toBe("idle");
  push.subscribe("a");
  await settle();
  expect(push.status).toMatchObject({ state: "waiting", error: { code: "transport_failed" } });
  expect(push.status.error?.message).toMatch(/Invalid URL/);
  push.close();
});

for (const [how, type] of [
  ["there is none", undefined],
  [
    "its constructor throws",
    class {
      constructor() {
        throw new Error("Content Security Policy");
      }
    },
  ],
] as const)
  test(`where WebSockets can't be, as ${how}, an event stream serves; also later`, async () => {
    vi.stubGlobal("WebSocket", type);
    const { push, server } = client({ WebSocket: undefined });
    push.subscribe("a");
    for (let round = 1; round < 3; round++) {
      await pass(2_000);
      expect(server.last().url.pathname).toBe("/push/sse");
      server.last().welcome();
      await pass(20_000);
      expect(push.status).toMatchObject({ state: "online", transport: "sse" });
      server.last().fail();
    }
  });

test("nothing is opened before something is subscribed to or sent", async () => {
  const { fetch, requests } = fakeFetch();
  const push = connect("https://example.com/push", { WebSocket: FakeSocket.type, fetch });
  await pass(60_000);
  expect([FakeSocket.all.length, requests.length, push.status.state]).toEqual([0, 0, "idle"]);
  push.send("a", "x").catch(() => {});
  await settle();
  expect([FakeSocket.all.length, push.status.state]).toEqual([1, "connecting"]);
  push.close();
});

test("a redirect is a failure, and nothing is taken from a cache", async () => {
  const { push, server } = client({ transports: ["sse"] });
  push.subscribe("a");
  await settle();
  expect(server.last().init).toMatchObject({ redirect: "error", cache: "no-store" });
});
