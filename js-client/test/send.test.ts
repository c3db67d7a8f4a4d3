import { expect, test, vi } from "vitest";
import type { FakeRequest } from "./fakefetch.ts";
import { FakeSocket } from "./fakesocket.ts";
import { client, onSocket, onStream, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** The newest send frame. */
const sent = () => FakeSocket.last.of("send").at(-1) as { id: number; message: string; data: string };

/** What the server gets: the type and the bytes. */
async function body({ url, init }: FakeRequest): Promise<unknown[]> {
  const request = new Request(url, init);
  return [request.headers.get("Content-Type"), ...new Uint8Array(await request.arrayBuffer())];
}

test("a reply resolves", async () => {
  const { push } = await onSocket();
  const reply = push.send("a", "hello", { event: "typing", id: "m1" });
  expect(sent()).toEqual({
    type: "send",
    id: expect.any(Number),
    topic: "a",
    event: "typing",
    message: "m1",
    data: "hello",
  });
  expect(push.pending).toBe(1);
  FakeSocket.last.say({ type: "reply", id: sent().id, data: "stored" });
  expect(await reply).toBe("stored");
  expect(push.pending).toBe(0);
  const nothing = push.send("a", "x");
  FakeSocket.last.say({ type: "reply", id: sent().id });
  expect(await nothing).toBeUndefined();
  const binary = push.send("a", "x");
  FakeSocket.last.say({ type: "reply", id: sent().id, encoding: "base64", data: "AAH+/w==" });
  expect(await binary).toEqual(Uint8Array.of(0, 1, 254, 255));
  for (const [frame, data] of [
    [{ data: "" }, ""],
    [{ encoding: "base64", data: "" }, new Uint8Array()],
  ] as const) {
    const empty = push.send("a", "x");
    FakeSocket.last.say({ type: "reply", id: sent().id, ...frame });
    expect(await empty).toEqual(data);
  }
});

const values = [{ a: [1, null] }, [1.5, "x", {}], 5, 0, true, false, null];

test("values go as JSON, and so do replies", async () => {
  const { push } = await onSocket();
  for (const data of values) {
    const reply = push.send("a", data);
    expect([sent().data, "encoding" in sent()]).toEqual([data, false]);
    FakeSocket.last.say({ type: "reply", id: sent().id, data });
    expect(await reply).toEqual(data);
  }
});

test("text goes as it is, bytes as base64, and each message has an id", async () => {
  const { push } = await onSocket();
  for (const data of [{ a: 1 }, Uint8Array.of(0, 1, 254, 255), "x"]) push.send("a", data).catch(() => {});
  const [json, binary, text] = FakeSocket.last.of("send");
  expect(json).toMatchObject({ data: { a: 1 }, message: expect.stringMatching(uuid) });
  expect(binary).toMatchObject({ encoding: "base64", data: "AAH+/w==" });
  expect(text).toMatchObject({ data: "x" });
  expect(text?.encoding).toBeUndefined();
  expect(new Set([json?.message, binary?.message, text?.message]).size).toBe(3);
  vi.stubGlobal("crypto", {});
  push.send("a", "x").catch(() => {});
  expect(sent().message).toMatch(/^[!-~]{10,128}$/);
});

test("a refusal rejects", async () => {
  const { push } = await onSocket();
  const reply = push.send("a", "x", { id: "m1" });
  FakeSocket.last.say({ type: "error", id: sent().id, code: "forbidden", reason: "no", retry: "never" });
  await expect(reply).rejects.toMatchObject({
    name: "PushError",
    code: "forbidden",
    retry: "never",
    message: "no",
    id: "m1",
  });
  expect(push.status.state).toBe("online");
});

test("what is sent before the connection is up waits for it", async () => {
  const { push } = client();
  const reply = push.send("a", "x");
  expect(push.pending).toBe(1);
  await pass(100);
  FakeSocket.last.welcome();
  FakeSocket.last.say({ type: "reply", id: sent().id, data: "ok" });
  expect(await reply).toBe("ok");
});

test("no answer in time: never sent is safe, sent is not known", async () => {
  const { push } = client({ connectTimeout: 60_000 });
  const waiting = push.send("a", "x", { timeout: 1000 });
  const caught = expect(waiting).rejects.toMatchObject({ code: "timeout" });
  await pass(1000);
  await caught;
  FakeSocket.last.welcome();
  expect(FakeSocket.last.of("send")).toEqual([]);
  const gone = push.send("a", "x", { timeout: 1000, id: "m2" });
  const lost = expect(gone).rejects.toMatchObject({ code: "unknown", id: "m2" });
  await pass(1000);
  await lost;
  FakeSocket.last.say({ type: "reply", id: sent().id });
  expect(push.pending).toBe(0);
});

test("a connection that dies before the reply leaves it unknown; what waits goes out later", async () => {
  const { push } = await onSocket({ transports: ["websocket"] });
  const gone = push.send("a", "x", { id: "m1" });
  FakeSocket.last.end(1006);
  await expect(gone).rejects.toMatchObject({ code: "unknown", id: "m1", retry: "later" });
  const waits = push.send("a", "y");
  await pass(500);
  FakeSocket.last.welcome();
  expect(FakeSocket.last.of("send")).toEqual([]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say({ type: "reply", id: sent().id, data: "ok" });
  expect(await waits).toBe("ok");
});

test("close rejects what waits", async () => {
  const { push } = client();
  const waits = push.send("a", "x");
  push.close();
  await expect(waits).rejects.toMatchObject({ code: "closed" });
});

test("a closed client sends nothing, until it is opened again", async () => {
  const { push } = await onSocket();
  push.close();
  await expect(push.send("a", "x")).rejects.toMatchObject({ code: "closed" });
  push.reconnect();
  const waits = push.send("a", "x", { timeout: Number.POSITIVE_INFINITY });
  await pass(100);
  FakeSocket.last.welcome();
  FakeSocket.last.subscribed();
  FakeSocket.last.say({ type: "reply", id: sent().id, data: "ok" });
  expect(await waits).toBe("ok");
});

test("what waits is bounded in number", async () => {
  const { push } = client();
  const all = Array.from({ length: 200 }, () =>
    push.send("a", "x").then(
      () => "",
      ({ code }) => code as string,
    ),
  );
  await settle();
  const waiting = push.pending;
  expect(waiting).toBeGreaterThan(50);
  expect(waiting).toBeLessThan(150);
  push.close();
  const codes = await Promise.all(all);
  expect(codes.filter((code) => code === "limit_reached")).toHaveLength(200 - waiting);
});

test("what the server would not take is too large, and harms nothing", async () => {
  const { push } = await onSocket();
  for (const data of [
    "x".repeat(65_536),
    "é".repeat(32_768),
    '"'.repeat(32_768),
    { a: "x".repeat(65_536) },
    new Uint8Array(49_152),
    new Uint8Array(1e6),
  ])
    await expect(push.send("a", data, { id: "m1" })).rejects.toMatchObject({
      code: "too_large",
      retry: "never",
      id: "m1",
    });
  expect([FakeSocket.last.of("send").length, push.pending]).toEqual([0, 0]);
  push.send("a", "x".repeat(65_000)).catch(() => {});
  push.send("a", new Uint8Array(48_000)).catch(() => {});
  expect(FakeSocket.last.of("send")).toHaveLength(2);
  expect(push.status.state).toBe("online");
});

test("what the socket has not written counts", async () => {
  const { push } = await onSocket();
  FakeSocket.last.bufferedAmount = 2e6;
  await expect(push.send("a", "x")).rejects.toMatchObject({ code: "limit_reached" });
  FakeSocket.last.bufferedAmount = 0;
  push.send("a", "x").catch(() => {});
  expect(FakeSocket.last.of("send")).toHaveLength(1);
});

test("what can't be sent rejects", async () => {
  const { push } = client();
  const loop: { self?: object } = {};
  loop.self = loop;
  await expect(push.send("a", loop)).rejects.toThrow(TypeError);
  expect(push.pending).toBe(0);
});

test("a reply that breaks the protocol leaves the message unknown", async () => {
  const { push } = await onSocket();
  const reply = push.send("a", "x");
  FakeSocket.last.say({ type: "reply", id: sent().id, encoding: "base64", data: 5 });
  await expect(reply).rejects.toMatchObject({ code: "unknown" });
  expect(push.status.error?.code).toBe("protocol_violation");
});

test("beside an event stream it goes by POST", async () => {
  const { push, server } = await onStream();
  const text = push.send("a b", "hello", { event: "e", id: "m1" });
  const post = server.last();
  expect(post.url.pathname).toBe("/push/send");
  expect(Object.fromEntries(post.url.searchParams)).toEqual({ topic: "a b", event: "e", id: "m1" });
  expect(post.init).toMatchObject({ method: "POST", keepalive: true });
  expect(await body(post)).toEqual(["text/plain;charset=UTF-8", ...new TextEncoder().encode("hello")]);
  post.json(200, { data: "stored" });
  expect(await text).toBe("stored");
  const binary = push.send("a", Uint8Array.of(1, 2));
  expect(await body(server.last())).toEqual(["application/octet-stream", 1, 2]);
  server.last().json(200, {});
  expect(await binary).toBeUndefined();
  for (const value of values) {
    const reply = push.send("a", value);
    expect(await body(server.last())).toEqual(["application/json", ...Buffer.from(JSON.stringify(value))]);
    server.last().json(200, { data: value });
    expect(await reply).toEqual(value);
  }
  const long = push.send("a", "x".repeat(30_000));
  expect(server.last().init.keepalive).toBe(false);
  server.last().json(403, { code: "forbidden", reason: "no", retry: "never" });
  await expect(long).rejects.toMatchObject({ code: "forbidden" });
});

test("a POST outlives its stream", async () => {
  const { push, server } = await onStream();
  const reply = push.send("a", "x");
  const post = server.last();
  server.requests[0]?.fail();
  await settle();
  expect(push.status.state).toBe("waiting");
  post.json(200, { data: "ok" });
  expect(await reply).toBe("ok");
});

for (const [name, answer] of [
  ["no answer", (post: { fail(): void }) => post.fail()],
  [
    "an answer of something between",
    (post: { respond(b: string, i: object): void }) => post.respond("<html>", { status: 502 }),
  ],
  ["a captive portal", (post: { respond(b: string, i: object): void }) => post.respond("<html>", { status: 200 })],
  [
    "a reply of the wrong kind",
    (post: { json(s: number, b: object): void }) => post.json(200, { encoding: "base64", data: "%" }),
  ],
] as const) {
  test(`a POST with ${name} is unknown`, async () => {
    const { push, server } = await onStream();
    const reply = push.send("a", "x", { id: "m1" });
    answer(server.last());
    await expect(reply).rejects.toMatchObject({ code: "unknown", id: "m1" });
  });
}

test("a message follows the answers to the subscriptions before it, and waits for none after it", async () => {
  const { push } = await onSocket();
  push.subscribe("b", () => {});
  push.send("b", "x").catch(() => {});
  push.subscribe("c", () => {});
  await settle();
  expect(FakeSocket.last.of("send")).toEqual([]);
  FakeSocket.last.subscribed();
  expect(sent().data).toBe("x");
});

test("over streams, too, once the stream has them", async () => {
  const { push, server } = await onStream();
  push.subscribe("b", () => {});
  push.send("b", "x").catch(() => {});
  await pass(100);
  expect(server.requests.map(({ url }) => url.pathname)).toEqual(["/push/sse", "/push/sse"]);
  server.last().welcome();
  await settle();
  expect(server.last().url.pathname).toBe("/push/send");
  server.last().fail();
});

test("messages of a topic are POSTed one after the other, and others beside them", async () => {
  const { push, server } = await onStream();
  const posts = () => server.requests.slice(1).map(({ url }) => url.searchParams.get("id"));
  const first = push.send("a", "1", { id: "a1" });
  const second = push.send("a", "2", { id: "a2", timeout: 1_000 });
  push.send("b", "3", { id: "b1" }).catch(() => {});
  const third = push.send("a", "4", { id: "a3" });
  expect(posts()).toEqual(["a1", "b1"]);
  server.requests[1]?.json(200, {});
  await first;
  await settle();
  expect(posts()).toEqual(["a1", "b1", "a2"]);
  const lost = expect(second).rejects.toMatchObject({ code: "unknown", id: "a2" });
  await pass(1_000);
  await lost;
  expect([posts(), server.requests[3]?.aborted]).toEqual([["a1", "b1", "a2", "a3"], true]);
  server.last().json(200, { data: "ok" });
  expect(await third).toBe("ok");
});

test("bytes of every kind are sent as bytes", async () => {
  const { push } = await onSocket();
  const bytes = Uint8Array.of(9, 0, 1, 254, 255, 9);
  const view = bytes.subarray(1, 5);
  for (const data of [
    view,
    bytes.slice(1, 5).buffer,
    new DataView(bytes.buffer, 1, 4),
    new Blob([view]),
    new File([view], "x"),
    new Uint8ClampedArray(view),
  ]) {
    push.send("a", data).catch(() => {});
    await settle();
    await new Promise((done) => setImmediate(done));
    expect(sent()).toMatchObject({ encoding: "base64", data: "AAH+/w==" });
  }
  expect(FakeSocket.last.of("send")).toHaveLength(6);
});

test("a Blob keeps its place", async () => {
  const { push } = await onSocket();
  push.send("a", new Blob(["1"])).catch(() => {});
  push.send("a", "2").catch(() => {});
  expect(FakeSocket.last.of("send")).toEqual([]);
  await settle();
  await new Promise((done) => setImmediate(done));
  await settle();
  expect(FakeSocket.last.of("send").map(({ data }) => data)).toEqual(["MQ==", "2"]);
});

for (const [name, value] of [
  ["a Map", new Map([[1, 2]])],
  ["a Set in an object", { set: new Set([1]) }],
  ["bytes in an object", { data: Uint8Array.of(1) }],
  ["NaN", Number.NaN],
  ["infinity in an array", [Number.POSITIVE_INFINITY]],
  ["undefined", undefined],
  ["a function", () => {}],
  ["a symbol", Symbol("x")],
  ["a BigInt", 1n],
  ["a regular expression", /x/],
  ["a promise", Promise.resolve()],
] as [string, never][])
  test(`${name} is refused`, async () => {
    const { push } = await onSocket();
    await expect(push.send("a", value)).rejects.toThrow(TypeError);
    expect([push.pending, FakeSocket.last.of("send")]).toEqual([0, []]);
  });

test("what JSON has a form for is sent, of another window, too", async () => {
  const { push } = await onSocket();
  const { runInNewContext } = await import("node:vm");
  for (const [value, want] of [
    [runInNewContext("[1, {a: 2}]"), [1, { a: 2 }]],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [{ a: undefined, b: new Date(0) }, { b: "1970-01-01T00:00:00.000Z" }],
    [Object.assign(Object.create(null), { x: 1 }), { x: 1 }],
  ]) {
    push.send("a", value).catch(() => {});
    expect(sent().data).toEqual(want);
  }
  push.send("a", runInNewContext("new Uint8Array([0, 1, 254, 255]).buffer")).catch(() => {});
  expect(sent()).toMatchObject({ encoding: "base64", data: "AAH+/w==" });
});

test("a signal gives up what waits, and what has left", async () => {
  const { push } = client();
  const stop = new AbortController();
  const waits = push.send("a", "x", { signal: stop.signal });
  stop.abort();
  await expect(waits).rejects.toMatchObject({ code: "closed" });
  await expect(push.send("a", "x", { signal: stop.signal })).rejects.toMatchObject({ code: "closed" });
  expect(push.pending).toBe(0);
});

test("buffered counts what waits here and in the socket, and drain waits for it", async () => {
  const { push } = client();
  expect(push.buffered).toBe(0);
  for (let i = 0; i < 3; i++) push.send("a", "x".repeat(30_000), { timeout: 1e9 }).catch(() => {});
  expect(push.buffered).toBeGreaterThan(90_000);
  let drained = false;
  push.drain().then(() => {
    drained = true;
  });
  await pass(1_000);
  FakeSocket.last.bufferedAmount = 90_000;
  FakeSocket.last.welcome();
  await pass(1_000);
  expect([push.buffered, drained]).toEqual([90_000, false]);
  FakeSocket.last.bufferedAmount = 60_000;
  FakeSocket.last.say({ type: "ping" });
  await pass(100);
  expect(drained).toBe(true);
  const never = expect(push.drain(1)).rejects.toMatchObject({ code: "closed" });
  push.close();
  await pass(100);
  await never;
});

test("without a topic and beside no WebSocket a message goes by POST, and needs no stream", async () => {
  const { push, server } = client({ transports: ["sse"] });
  const reply = push.send("a", "x");
  await settle();
  expect(server.requests.map(({ url }) => url.pathname)).toEqual(["/push/send"]);
  server.last().json(200, { data: "ok" });
  expect(await reply).toBe("ok");
});
