import { expect, test } from "vitest";
import { cursorAt } from "./cursors.ts";
import { messageAt } from "./fakesocket.ts";
import { client, notes, onStream, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const sse = { transports: ["sse"] } as const;

test("topics stand in the URL, and their cursors joined", async () => {
  const { push, server } = client(sse);
  push.subscribe("a b&c", () => {}, { since: cursorAt(1, "a b&c") });
  push.subscribe("é", () => {});
  push.subscribe("d", () => {}, { since: `${cursorAt(2, "e")}.${cursorAt(3, "d")}` });
  await settle();
  const { url } = server.last();
  expect(server.requests).toHaveLength(1);
  expect(url.origin + url.pathname).toBe("https://example.com/push/sse");
  expect(url.searchParams.getAll("topic")).toEqual(["a b&c", "é", "d"]);
  expect(url.searchParams.get("since")?.split(".").sort()).toEqual(
    [cursorAt(1, "a b&c"), cursorAt(2, "e"), cursorAt(3, "d")].sort(),
  );
  expect(url.searchParams.has("recent")).toBe(false);
});

test("a cursor of several topics may be given to each, at once or later", async () => {
  const since = `${cursorAt(1)}.${cursorAt(1, "b")}`;
  const { push, server } = client(sse);
  push.subscribe("a", () => {}, { since });
  push.subscribe("b", () => {}, { since });
  await settle();
  expect(server.last().url.searchParams.get("since")).toBe(since);
  server.last().welcome({ a: cursorAt(1), b: cursorAt(1, "b") });
  server.last().say(messageAt(2));
  await settle();
  push.subscribe("c", () => {}, { since });
  await pass(100);
  expect(server.last().url.searchParams.get("since")?.split(".").sort()).toEqual(
    [cursorAt(2), cursorAt(1, "b")].sort(),
  );
});

test("messages arrive, and a cut stream is resumed from the last one", async () => {
  const { push, server, got, sub, states } = await onStream();
  await sub.ready;
  expect(push.status).toEqual({
    state: "online",
    since: expect.any(Number),
    transport: "sse",
    session: "s",
    latency: expect.any(Number),
  });
  server.last().say(messageAt(1));
  server.last().write(`data: ${JSON.stringify(messageAt(2))}`);
  await settle();
  expect(got).toEqual(["a:1"]);
  server.last().fail();
  await settle();
  expect(states.at(-1)).toMatchObject({ state: "waiting", error: { code: "transport_failed" } });
  await pass(1000);
  expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
  server.last().welcome({ a: cursorAt(1) });
  await settle();
  server.last().say(messageAt(2));
  await settle();
  expect(got).toEqual(["a:1", "a:2"]);
});

test("other topics take a new stream, one for all of a moment, and nothing is lost", async () => {
  const { push, server, got, names } = await onStream();
  const first = server.last();
  first.say(messageAt(1));
  await settle();
  const b = notes();
  push.subscribe("b", b.handlers);
  push.subscribe("c", () => {}, { since: cursorAt(7, "c") });
  push.subscribe("a", () => {});
  await pass(50);
  push.subscribe("d", () => {}).close();
  await pass(49);
  expect(server.requests).toHaveLength(1);
  await pass(1);
  expect(server.requests).toHaveLength(2);
  expect(first.aborted).toBe(true);
  expect(server.last().topics).toEqual(["a", "b", "c"]);
  expect(server.last().url.searchParams.get("since")).toBe(`${cursorAt(1)}.${cursorAt(7, "c")}`);
  expect(push.status.state).toBe("online");
  server.last().welcome({ a: cursorAt(1), c: cursorAt(7, "c") });
  await settle();
  server.last().say(messageAt(2));
  server.last().say(messageAt(9, "b"));
  await settle();
  expect([got, b.got]).toEqual([["a:1", "a:2"], ["b:9"]]);
  expect(names()).not.toContain("waiting");
});

test("one stream asks for the most of the last messages that a topic asks for", async () => {
  const { push, server } = client(sse);
  push.subscribe("a", () => {}, { recent: 5 });
  push.subscribe("b", () => {}, { recent: 20 });
  push.subscribe("c", () => {});
  await settle();
  expect(server.last().url.searchParams.getAll("recent")).toEqual(["20"]);
  server.last().welcome();
  await settle();
  server.last().fail();
  await pass(1000);
  expect(server.last().url.searchParams.getAll("recent")).toEqual(["20"]);
});

test("a topic that was left needs no new stream, and tells nothing any more", async () => {
  const { push, server, got, sub } = await onStream();
  sub.close();
  server.last().say(messageAt(1));
  await settle();
  expect([server.requests.length, got]).toEqual([1, []]);
  push.subscribe("b", () => {});
  await pass(100);
  expect(server.last().topics).toEqual(["b"]);
});

test("without a topic there is no stream", async () => {
  const { push, server } = client(sse);
  await pass(100_000);
  expect(server.requests).toEqual([]);
  expect(push.status.state).toBe("idle");
});

test("more than 50 topics, and long ones, are asked for by POST", async () => {
  for (const names of [
    Array.from({ length: 53 }, (_, i) => `t${i}`),
    Array.from({ length: 20 }, (_, i) => `${i}`.repeat(99)),
  ]) {
    const { push, server } = client(sse);
    for (const name of names) push.subscribe(name, () => {}, { since: cursorAt(1, name) });
    await settle();
    const { url, init } = server.last();
    expect([url.href, init.method]).toEqual(["https://example.com/push/sse", "POST"]);
    const body = init.body as URLSearchParams;
    expect([body.getAll("topic"), body.get("since")?.split(".").length]).toEqual([names, names.length]);
  }
});

test("topics that there was no room for are asked for when there is", async () => {
  const { push, server } = client(sse);
  const noted = notes();
  const a = push.subscribe("a", () => {});
  const b = push.subscribe("b", noted.handlers);
  await settle();
  const refused = { code: "limit_reached", reason: "r", retry: "later" };
  server.last().open();
  server.last().say({
    type: "welcome",
    heartbeat: 15_000,
    topics: [
      { topic: "a", from: "now", cursor: cursorAt(0) },
      { topic: "b", error: refused },
    ],
  });
  await expect(b.ready).rejects.toMatchObject({ code: "limit_reached" });
  await pass(10_000);
  expect([noted.errors, server.requests.length]).toEqual([["limit_reached"], 1]);
  a.close();
  await pass(100);
  expect(server.last().topics).toEqual(["b"]);
  server.last().welcome();
  expect(await b.ready).toEqual({ resumed: false });
});

test("topics that are refused together end no more than themselves", async () => {
  const { push, server } = client(sse);
  const noted = notes();
  push.subscribe("a", noted.handlers);
  push.subscribe("b", noted.handlers);
  await settle();
  const error = { code: "forbidden", reason: "r", retry: "never" };
  server.last().json(403, { ...error, topics: ["a", "b"].map((topic) => ({ topic, error })) });
  await settle();
  expect([noted.errors, push.status.state]).toEqual([["forbidden", "forbidden"], "idle"]);
  push.subscribe("c", noted.handlers);
  await settle();
  expect(server.last().topics).toEqual(["c"]);
});

test("a refused topic among others is told, and ends", async () => {
  const { push, server } = client(sse);
  const a = notes();
  const b = notes();
  push.subscribe("a", a.handlers);
  const refused = push.subscribe("b", b.handlers);
  await settle();
  server.last().open();
  const error = { code: "forbidden", reason: "no", retry: "never" };
  server.last().say({
    type: "welcome",
    heartbeat: 15_000,
    topics: [
      { topic: "a", from: "now", cursor: cursorAt(0) },
      { topic: "b", error },
    ],
  });
  await expect(refused.ready).rejects.toMatchObject({ code: "forbidden" });
  expect([a.errors, b.errors]).toEqual([[], ["forbidden"]]);
});

test("comments are signs of life", async () => {
  const { server, push } = await onStream();
  for (let i = 0; i < 5; i++) {
    await pass(20_000);
    server.last().write(": \n");
  }
  expect(push.status.state).toBe("online");
  await pass(25_001);
  expect(push.status.error?.code).toBe("transport_silent");
});

test("a stream whose bytes are held back is told from one that does not answer", async () => {
  const { push, server } = client(sse);
  push.subscribe("a", () => {});
  await pass(10_000);
  expect(push.status.error?.code).toBe("transport_timeout");
  await pass(1000);
  server.last().open();
  await pass(10_000);
  expect(push.status.error?.code).toBe("transport_buffered");
  expect(server.last().aborted).toBe(true);
});

for (const [status, body, want] of [
  [401, { code: "unauthenticated", reason: "r", retry: "never" }, { state: "closed", code: "unauthenticated" }],
  [403, { code: "forbidden", reason: "r", retry: "never" }, { state: "closed", code: "forbidden" }],
  [400, { code: "bad_request", reason: "r", retry: "never" }, { state: "closed", code: "bad_request" }],
  [401, {}, { state: "waiting", code: "transport_failed" }],
  [403, "<html>", { state: "waiting", code: "transport_failed" }],
  [404, "<html>", { state: "waiting", code: "transport_failed" }],
  [502, "<html>", { state: "waiting", code: "unavailable" }],
  [500, { code: "internal", reason: "r", retry: "later" }, { state: "waiting", code: "internal" }],
  [429, { code: "limit_reached", reason: "r", retry: "later" }, { state: "waiting", code: "limit_reached" }],
  [503, "<html>", { state: "waiting", code: "unavailable" }],
  [200, "<html>", { state: "waiting", code: "transport_failed" }],
  [200, { some: "JSON" }, { state: "waiting", code: "transport_failed" }],
  [204, null, { state: "waiting", code: "transport_failed" }],
  [304, null, { state: "waiting", code: "transport_failed" }],
] as const) {
  test(`status ${status} with ${JSON.stringify(body)}`, async () => {
    const { push, server } = client(sse);
    push.subscribe("a", () => {});
    await settle();
    if (body !== null && typeof body === "object") server.last().json(status, body);
    else server.last().respond(body as string | null, { status, headers: { "Content-Type": "text/html" } });
    await settle();
    expect(push.status).toMatchObject({ state: want.state, error: { code: want.code } });
  });
}

test("Retry-After is minded", async () => {
  const { push, server } = client(sse);
  push.subscribe("a", () => {});
  await settle();
  server.last().json(503, { code: "draining", reason: "r", retry: "later" }, { "Retry-After": "7" });
  await pass(6999);
  expect(server.requests).toHaveLength(1);
  await pass(1);
  expect(server.requests).toHaveLength(2);
});

test("the last event says why the stream ends", async () => {
  for (const [frame, state, code] of [
    [{ type: "error", code: "forbidden", reason: "r", retry: "never" }, "closed", "forbidden"],
    [{ type: "error", code: "slow_consumer", reason: "r", retry: "now" }, "waiting", "slow_consumer"],
    [{ type: "reconnect", after: 400 }, "waiting", "unavailable"],
  ] as const) {
    const { states, server } = await onStream();
    server.last().say(frame);
    server.last().end();
    await settle();
    expect(states.find(({ error }) => error)).toMatchObject({ state, error: { code } });
  }
});

for (const [name, text] of [
  ["nonsense", "data: {\n\n"],
  ["a line without an end", `data: ${"x".repeat(1.1e7)}`],
]) {
  test(`${name} ends the stream, with backoff`, async () => {
    const { push, server } = await onStream();
    server.last().write(text as string);
    await settle();
    expect(push.status).toMatchObject({ state: "waiting" });
    expect(server.last().aborted).toBe(true);
    await pass(1000);
    expect(server.requests).toHaveLength(2);
  });
}

test("close ends the stream, and nothing of it is heard any more", async () => {
  const { push, server, got } = await onStream();
  push.close();
  expect(server.last().aborted).toBe(true);
  await pass(60_000);
  expect([server.requests.length, got]).toEqual([1, []]);
});
