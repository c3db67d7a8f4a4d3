import { expect, test, vi } from "vitest";
import { cursorAt } from "./cursors.ts";
import { messageAt } from "./fakesocket.ts";
import { client, notes, onPoll, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const polls = { transports: ["poll"] } as const;
const forbidden = { code: "forbidden", reason: "no", retry: "never" };

test("the first poll is answered at once, and each begins where the one before it ended", async () => {
  const { push, server, got, sub } = await onPoll();
  const [first, second] = server.requests;
  expect(first?.url.href).toBe("https://example.com/push/poll?topic=a&since=&wait=0");
  expect(first?.init).toMatchObject({ cache: "no-store" });
  expect(second?.url.href).toBe(`https://example.com/push/poll?topic=a&since=${cursorAt(0)}`);
  expect(push.status).toEqual({
    state: "online",
    since: expect.any(Number),
    transport: "poll",
    session: undefined,
    latency: expect.any(Number),
  });
  await sub.ready;
  server.last().answer(cursorAt(2), [messageAt(1), messageAt(2)]);
  await pass(100);
  server.last().answer(cursorAt(3), [messageAt(3)]);
  await pass(100);
  expect(got).toEqual(["a:1", "a:2", "a:3"]);
  expect(server.requests).toHaveLength(4);
  expect(server.last().url.searchParams.get("since")).toBe(cursorAt(3));
  expect(sub.cursor).toBe(cursorAt(3));
});

test("there is one poll at a time, and ten a second at most", async () => {
  const { server } = await onPoll();
  await pass(24_000);
  expect(server.requests).toHaveLength(2);
  server.last().answer(cursorAt(1), [messageAt(1)]);
  await pass(99);
  expect(server.requests).toHaveLength(2);
  await pass(1);
  expect(server.requests).toHaveLength(3);
});

test("a server that doesn't wait is asked once a second", async () => {
  const { server } = await onPoll();
  for (let i = 2; i < 5; i++) {
    expect(server.requests).toHaveLength(i);
    server.last().answer(cursorAt(0));
    await pass(999);
    expect(server.requests).toHaveLength(i);
    await pass(1);
  }
});

for (const [how, lose] of [
  ["never comes", (server) => server.last().fail()],
  ["is cut", (server) => server.last().respond('{"topics":[],"frames":[', { status: 200 })],
  ["is a proxy's", (server) => server.last().respond("<html>", { status: 504 })],
] as [string, (server: ReturnType<typeof client>["server"]) => void][])
  test(`an answer that ${how} is asked for again`, async () => {
    const { push, server, got } = await onPoll();
    server.last().answer(cursorAt(1), [messageAt(1)]);
    await pass(100);
    lose(server);
    await settle();
    expect(push.status).toMatchObject({
      state: "waiting",
      error: { code: expect.stringMatching(/failed|unavailable/) },
    });
    await pass(500);
    expect(server.last().url.search).toBe(`?topic=a&since=${cursorAt(1)}&wait=0`);
    server.last().answer(cursorAt(3), [messageAt(2), messageAt(3)], [{ topic: "a", cursor: cursorAt(1) }]);
    await settle();
    expect(got).toEqual(["a:1", "a:2", "a:3"]);
    expect(push.status).toMatchObject({ state: "online", transport: "poll" });
  });

test("empty answers are signs of life, and nothing for long enough isn't", async () => {
  const { push, server } = await onPoll();
  for (let i = 0; i < 5; i++) {
    await pass(60_000);
    server.last().answer(cursorAt(0));
    await pass(100);
  }
  expect(push.status.state).toBe("online");
  await pass(70_000);
  expect(push.status.error?.code).toBe("transport_silent");
});

test("a gap moves the topic, and messages go on from there", async () => {
  const { server, got, sub } = await onPoll(polls, "broken");
  server
    .last()
    .answer(cursorAt(9), [{ type: "gap", topic: "a", reason: "unknown_cursor", cursor: cursorAt(8) }, messageAt(9)]);
  await settle();
  expect([got, sub.cursor]).toEqual([["a:gap unknown_cursor", "a:9"], cursorAt(9)]);
});

test("a topic that is refused is told so, and asked for no more", async () => {
  const { push, server } = client(polls);
  const a = notes();
  const b = notes();
  push.subscribe("a", a.handlers, { recent: 5 });
  const refused = push.subscribe("b", b.handlers);
  await settle();
  expect(server.last().url.searchParams.get("recent")).toBe("5");
  server.last().answer(
    cursorAt(0),
    [],
    [
      { topic: "a", from: "now", cursor: cursorAt(0) },
      { topic: "b", error: forbidden },
    ],
  );
  await expect(refused.ready).rejects.toMatchObject({ code: "forbidden" });
  await pass(100);
  expect(server.last().topics).toEqual(["a"]);
  server.last().answer(cursorAt(1), [messageAt(1)]);
  await settle();
  expect([a.got, a.errors, b.errors]).toEqual([["a:1"], [], ["forbidden"]]);
});

test("one that is refused for now is asked for again, in its time", async () => {
  const { push, server } = client(polls);
  const b = notes();
  push.subscribe("a", () => {});
  push.subscribe("b", b.handlers);
  await settle();
  server.last().answer(
    cursorAt(0),
    [],
    [
      { topic: "a", from: "now", cursor: cursorAt(0) },
      { topic: "b", error: { code: "rate_limited", reason: "r", retry: "later", after: 2000 } },
    ],
  );
  await pass(1999);
  expect(server.last().topics).toEqual(["a"]);
  await pass(110);
  expect([server.requests[1]?.aborted, server.last().topics]).toEqual([true, ["a", "b"]]);
  server.last().answer(`${cursorAt(0)}.${cursorAt(0, "b")}`, [messageAt(1, "b")]);
  await settle();
  expect([b.errors, b.got]).toEqual([["rate_limited"], ["b:1"]]);
});

test("a topic that is lost later ends the link, whose frames count, and the next one tells why", async () => {
  const { push, server, got } = await onPoll();
  const b = notes();
  push.subscribe("b", b.handlers);
  await pass(100);
  server.last().answer(`${cursorAt(0)}.${cursorAt(0, "b")}`);
  await pass(100);
  const answers = [
    { topic: "a", from: "cursor", cursor: cursorAt(0) },
    { topic: "b", error: forbidden },
  ];
  server.last().answer(cursorAt(1), [messageAt(1)], answers);
  await settle();
  expect([got, push.status.state, push.status.error?.code]).toEqual([["a:1"], "waiting", "unavailable"]);
  await pass(500);
  server.last().answer(cursorAt(1), [], [{ topic: "a", from: "cursor", cursor: cursorAt(1) }, ...answers.slice(1)]);
  await pass(100);
  expect([b.errors, server.last().topics, push.status.state]).toEqual([["forbidden"], ["a"], "online"]);
});

test("another topic takes another poll, and nothing is lost", async () => {
  const { push, server, got, names } = await onPoll();
  server.last().answer(cursorAt(1), [messageAt(1)]);
  await pass(100);
  const waiting = server.last();
  const b = notes();
  push.subscribe("b", b.handlers);
  push.subscribe("c", () => {}, { since: cursorAt(7, "c") });
  await pass(100);
  expect([waiting.aborted, server.requests.length]).toEqual([true, 4]);
  expect(server.last().topics).toEqual(["a", "b", "c"]);
  expect(server.last().url.searchParams.get("since")).toBe(`${cursorAt(1)}.${cursorAt(7, "c")}`);
  expect(server.last().url.searchParams.get("wait")).toBe("0");
  server.last().answer(
    "1",
    [messageAt(2), messageAt(1, "b")],
    [
      { topic: "a", from: "cursor", cursor: cursorAt(1) },
      { topic: "b", from: "now", cursor: cursorAt(0, "b") },
      { topic: "c", from: "cursor", cursor: cursorAt(7, "c") },
    ],
  );
  await settle();
  expect([got, b.got]).toEqual([["a:1", "a:2"], ["b:1"]]);
  expect(names()).not.toContain("waiting");
});

test("a topic that was left is told of no more, and the next poll is without it", async () => {
  const { push, server, got, sub } = await onPoll();
  push.subscribe("b", () => {});
  await pass(100);
  server.last().answer("1");
  await pass(100);
  sub.close();
  server.last().answer("2", [messageAt(1)]);
  await pass(100);
  expect([server.last().topics, server.last().aborted, got]).toEqual([["b"], false, []]);
});

test("without a topic there is no poll", async () => {
  const { push, server } = client(polls);
  await pass(100_000);
  expect([server.requests, push.status.state]).toEqual([[], "idle"]);
});

for (const [status, body, state, code] of [
  [401, { code: "unauthenticated", reason: "r", retry: "never" }, "closed", "unauthenticated"],
  [403, { code: "forbidden", reason: "r", retry: "never" }, "closed", "forbidden"],
  [403, "<html>", "waiting", "transport_failed"],
  [409, { code: "wrong_kind", reason: "r", retry: "never" }, "closed", "wrong_kind"],
  [429, { code: "limit_reached", reason: "r", retry: "later" }, "waiting", "limit_reached"],
  [503, "<html>", "waiting", "unavailable"],
  [200, "<html>", "waiting", "transport_failed"],
  [200, { some: "JSON" }, "waiting", "protocol_violation"],
  [204, null, "waiting", "transport_failed"],
] as const)
  test(`a poll that is answered with ${status} and ${JSON.stringify(body)}`, async () => {
    const { push, server } = await onPoll();
    if (body !== null && typeof body === "object") server.last().json(status, body);
    else server.last().respond(body as string | null, { status });
    await settle();
    expect(push.status).toMatchObject({ state, error: { code } });
    expect(server.requests).toHaveLength(2);
  });

test("Retry-After is minded", async () => {
  const { server } = await onPoll();
  server.last().json(503, { code: "draining", reason: "r", retry: "later" }, { "Retry-After": "7" });
  await pass(6999);
  expect(server.requests).toHaveLength(2);
  await pass(1);
  expect(server.requests).toHaveLength(3);
});

test("a request to reconnect is followed, after the frames before it", async () => {
  const { push, server, got } = await onPoll();
  server.last().answer(cursorAt(1), [messageAt(1), { type: "reconnect", after: 3000 }]);
  await settle();
  expect(push.status).toMatchObject({ state: "waiting", error: { code: "unavailable" } });
  await pass(2999);
  expect([got, server.requests.length]).toEqual([["a:1"], 2]);
  await pass(1);
  expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
});

test("close ends the poll, and nothing of it is heard any more", async () => {
  const { push, server } = await onPoll();
  const got: unknown[] = [];
  push.subscribe("a", ({ data }) => {
    got.push(data);
    push.close();
  });
  server.last().answer(cursorAt(2), [messageAt(1), messageAt(2)]);
  await pass(60_000);
  expect([got, server.requests.length]).toEqual([["1"], 2]);
});

test("close between two polls leaves no timer", async () => {
  const { push, server } = await onPoll();
  server.last().answer(cursorAt(1), [messageAt(1)]);
  await settle();
  push.close();
  expect([vi.getTimerCount(), server.requests.length]).toEqual([0, 2]);
});

test("what is sent goes beside the polls, and is answered on its own", async () => {
  const { push, server } = await onPoll();
  const waiting = server.last();
  const reply = push.send("a", "hello", { id: "m1" });
  await settle();
  expect(server.last().url.href).toBe("https://example.com/push/send?topic=a&event=&id=m1");
  expect(server.last().init).toMatchObject({ method: "POST", body: "hello" });
  server.last().json(200, { data: "stored" });
  expect(await reply).toBe("stored");
  expect(waiting.aborted).toBe(false);
});
