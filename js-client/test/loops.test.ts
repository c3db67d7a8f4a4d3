import { expect, test, vi } from "vitest";
import { cursorAt } from "./cursors.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onSocket, onStream, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const ws = { transports: ["websocket"] } as const;
const forbidden = { code: "forbidden", reason: "no", retry: "never" };

test("a subscription is its own undo", async () => {
  const { sub, got } = await onSocket(ws);
  sub();
  sub();
  FakeSocket.last.say(messageAt(1));
  expect([got, FakeSocket.last.of("unsubscribe").length]).toEqual([[], 1]);
});

test("a signal closes a subscription, and another one the client", async () => {
  const all = new AbortController();
  const one = new AbortController();
  const { push } = await onSocket({ ...ws, signal: all.signal });
  const { got, handlers } = notes();
  push.subscribe("b", handlers, { signal: one.signal });
  await settle();
  FakeSocket.last.subscribed();
  one.abort();
  FakeSocket.last.say(messageAt(1, "b"));
  expect([got, FakeSocket.last.of("unsubscribe")[0]?.topics]).toEqual([[], ["b"]]);
  await expect(push.subscribe("c", handlers, { signal: one.signal }).ready).rejects.toMatchObject({ code: "closed" });
  all.abort();
  expect(push.status).toMatchObject({ state: "closed", error: { code: "closed" } });
  const born = client({ ...ws, signal: all.signal });
  expect([born.push.status.state, born.push.subscribe("a").topic]).toEqual(["connecting", "a"]);
});

test("a loop gets each message, from the moment of the subscription on, and leaving it unsubscribes", async () => {
  const { push } = await onSocket(ws);
  const sub = push.subscribe("b");
  await settle();
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(1, "b"));
  FakeSocket.last.say(messageAt(2, "b"));
  const got: unknown[] = [];
  const done = (async () => {
    for await (const { data } of sub) {
      got.push(data);
      if (data === "3") break;
    }
  })();
  await settle();
  expect(got).toEqual(["1", "2"]);
  FakeSocket.last.say(messageAt(3, "b"));
  FakeSocket.last.say(messageAt(4, "b"));
  await done;
  expect([got, FakeSocket.last.of("unsubscribe")[0]?.topics]).toEqual([["1", "2", "3"], ["b"]]);
});

for (const [how, end, code] of [
  ["the topic is refused for good", () => [FakeSocket.last.end(1006)], "forbidden"],
  [
    "there is a gap",
    () => [FakeSocket.last.say({ type: "gap", topic: "b", reason: "trimmed", cursor: cursorAt(9, "b") })],
    "gap",
  ],
  [
    "it falls behind",
    () => Array.from({ length: 1_001 }, (_, i) => FakeSocket.last.say(messageAt(i + 1, "b"))),
    "slow_consumer",
  ],
  ["the client ends for good", () => [FakeSocket.last.end(4403)], "forbidden"],
] as const)
  test(`a loop throws when ${how}`, async () => {
    const { push } = await onSocket(ws);
    const sub = push.subscribe("b");
    await settle();
    FakeSocket.last.subscribed();
    end();
    if (how.startsWith("the topic")) {
      await pass(1_000);
      FakeSocket.last.welcome();
      await settle();
      const { id } = FakeSocket.last.of("subscribe")[0] as { id: number };
      const topics = [
        { topic: "a", cursor: cursorAt(0) },
        { topic: "b", error: forbidden },
      ];
      FakeSocket.last.say({ type: "subscribed", id, topics });
    }
    const got: unknown[] = [];
    await expect(
      (async () => {
        for await (const { data } of sub) got.push(data);
      })(),
    ).rejects.toMatchObject({ code });
    expect(got).toHaveLength(code === "slow_consumer" ? 1_000 : 0);
  });

test("a loop ends when the client is closed", async () => {
  const { push } = await onSocket(ws);
  const sub = push.subscribe("b");
  push.close();
  for await (const _ of sub) throw new Error("nothing came");
});

test("a gap that a handler takes doesn't end the loop", async () => {
  const { push } = await onSocket(ws);
  const { got, handlers } = notes();
  const sub = push.subscribe("b", { gap: handlers.gap });
  await settle();
  FakeSocket.last.subscribed();
  const next = sub[Symbol.asyncIterator]().next();
  FakeSocket.last.say({ type: "gap", topic: "b", reason: "trimmed", cursor: cursorAt(9, "b") });
  FakeSocket.last.say(messageAt(10, "b"));
  expect([(await next).value?.data, got]).toEqual(["10", ["b:gap trimmed"]]);
});

test("ready says whether it goes on from a cursor", async () => {
  const { sub, push } = await onSocket(ws);
  expect(await sub.ready).toEqual({ resumed: false });
  const later = push.subscribe("b", () => {}, { since: cursorAt(3, "b") });
  await settle();
  FakeSocket.last.subscribed();
  expect(await later.ready).toEqual({ resumed: true });
});

test("ready is rejected by a refusal for now, and there is another promise", async () => {
  const { push } = await onSocket(ws);
  const sub = push.subscribe("b", () => {});
  await settle();
  const { ready } = sub;
  const answer = (topic: object) =>
    FakeSocket.last.say({ type: "subscribed", id: FakeSocket.last.of("subscribe").at(-1)?.id, topics: [topic] });
  answer({ topic: "b", error: { code: "unavailable", reason: "r", retry: "later", after: 2_000 } });
  await expect(ready).rejects.toMatchObject({ code: "unavailable" });
  await pass(2_000);
  answer({ topic: "b", from: "now", cursor: cursorAt(0, "b") });
  expect(await sub.ready).toEqual({ resumed: false });
});

test("ready is rejected when the client ends, and there is another promise when it is opened again", async () => {
  const { push } = client(ws);
  const sub = push.subscribe("a", () => {});
  FakeSocket.last.end(4403);
  await expect(sub.ready).rejects.toMatchObject({ code: "forbidden" });
  await expect(push.subscribe("b").ready).rejects.toMatchObject({ code: "forbidden" });
  push.reconnect();
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  expect(await sub.ready).toEqual({ resumed: false });
});

test("half of a character is in no name, and the others don't suffer", async () => {
  const { push } = await onSocket(ws);
  const { errors, handlers } = notes();
  const sub = push.subscribe("a\ud800", handlers);
  await expect(sub.ready).rejects.toMatchObject({ code: "bad_request", retry: "never" });
  expect([errors, FakeSocket.last.of("subscribe").length]).toEqual([["bad_request"], 1]);
});

test("load brings the snapshot's cursor first, and again after a gap; nothing is missed or comes twice", async () => {
  const loads: ((cursor: string) => void)[] = [];
  const load = vi.fn(() => new Promise<string>((done) => loads.push(done)));
  const { push } = client(ws);
  const { got, handlers } = notes();
  const sub = push.subscribe("a", handlers, { load });
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")).toEqual([]);
  loads[0]?.(cursorAt(5));
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(5) }]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(6));
  FakeSocket.last.say({ type: "gap", topic: "a", reason: "too_many", cursor: cursorAt(90) });
  FakeSocket.last.say(messageAt(91)); // is in the snapshot, or will come again
  expect([load.mock.calls, FakeSocket.last.of("unsubscribe").length]).toEqual([[["start"], ["gap"]], 1]);
  loads[1]?.(cursorAt(92));
  await settle();
  expect(FakeSocket.last.of("subscribe")[1]?.topics).toEqual([{ topic: "a", since: cursorAt(92) }]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(93));
  expect([got, sub.cursor]).toEqual([["a:6", "a:gap too_many", "a:93"], cursorAt(93)]);
});

test("a load whose cursor is lost each time is called again later and later, until a message comes", async () => {
  const { push } = await onSocket({ ...ws, backoff: [1_000, 8_000] });
  const { handlers } = notes();
  const load = vi.fn(async () => cursorAt(5, "b"));
  const sub = push.subscribe("b", handlers, { load });
  await settle();
  const gap = (): void => {
    FakeSocket.last.subscribed();
    FakeSocket.last.say({ type: "gap", topic: "b", reason: "too_many", cursor: cursorAt(90, "b") });
  };
  const waits: number[] = [];
  for (let i = 0; i < 6; i++) {
    const { length } = load.mock.calls;
    gap();
    await settle();
    let waited = 0;
    for (; load.mock.calls.length === length && waited < 20_000; waited += 500) await pass(500);
    await settle();
    waits.push(waited);
  }
  expect(waits).toEqual([0, 2_000, 3_000, 5_000, 5_000, 5_000]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(6, "b"));
  gap();
  await settle();
  expect(load).toHaveBeenCalledTimes(8);
  gap(); // and now nothing is loaded any more
  sub();
  await pass(20_000);
  expect(load).toHaveBeenCalledTimes(8);
});

test("a load that waits after gaps survives that the connection is lost", async () => {
  const { push } = await onSocket(ws);
  const { handlers } = notes();
  const load = vi.fn(async () => cursorAt(5, "b"));
  push.subscribe("b", handlers, { load });
  await settle();
  for (let i = 0; i < 2; i++) {
    FakeSocket.last.subscribed();
    FakeSocket.last.say({ type: "gap", topic: "b", reason: "too_many", cursor: cursorAt(90, "b") });
    await settle();
  }
  FakeSocket.last.end(1006);
  await pass(30_000);
  FakeSocket.last.welcome();
  await settle();
  const asked = FakeSocket.last.of("subscribe")[0]?.topics;
  expect([load.mock.calls.length, asked]).toEqual([
    3,
    [
      { topic: "a", since: cursorAt(0) },
      { topic: "b", since: cursorAt(5, "b") },
    ],
  ]);
});

test("load over an event stream", async () => {
  const { push, server } = await onStream();
  const { got, handlers } = notes();
  push.subscribe("b", handlers, { load: async (why) => cursorAt(why === "gap" ? 50 : 5, "b") });
  await pass(100);
  expect(server.last().url.searchParams.get("since")).toBe([cursorAt(0), cursorAt(5, "b")].join("."));
  server.last().welcome({ a: cursorAt(0), b: cursorAt(5, "b") });
  server.last().say({ type: "gap", topic: "b", reason: "trimmed", cursor: cursorAt(40, "b") });
  server.last().say(messageAt(41, "b"));
  await pass(200);
  expect(server.last().url.searchParams.get("since")?.split(".")).toContain(cursorAt(50, "b"));
  server.last().welcome({ a: cursorAt(0), b: cursorAt(50, "b") });
  server.last().say(messageAt(51, "b"));
  await settle();
  expect(got).toEqual(["b:gap trimmed", "b:51"]);
});

test("a load that throws is called again later; one that ends after the topic was left does nothing", async () => {
  const { push } = await onSocket(ws);
  const { errors, handlers } = notes();
  let calls = 0;
  const load = async (): Promise<string> => {
    if (!calls++) throw new Error("offline");
    return cursorAt(1, "b");
  };
  const sub = push.subscribe("b", handlers, { load });
  await settle();
  expect(errors).toEqual(["load_failed"]);
  await pass(1_000);
  expect(FakeSocket.last.of("subscribe").at(-1)?.topics).toEqual([{ topic: "b", since: cursorAt(1, "b") }]);
  sub();
  let late!: (cursor: string) => void;
  const left = push.subscribe("c", handlers, {
    load: () =>
      new Promise((done) => {
        late = done;
      }),
  });
  await settle();
  left();
  late(cursorAt(1, "c"));
  await settle();
  expect(FakeSocket.last.of("subscribe")).toHaveLength(2);
});
