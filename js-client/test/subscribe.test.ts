import { expect, test, vi } from "vitest";
import type { PushError } from "../src/error.ts";
import { cursorAt } from "./cursors.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onSocket, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

test("topics of one tick go out in one frame, after the welcome", async () => {
  const { push } = client();
  push.subscribe("a", () => {});
  push.subscribe("b", () => {}, { since: cursorAt(5, "b") });
  push.subscribe("a", () => {});
  await settle();
  expect(FakeSocket.last.url).toBe("wss://example.com/push/ws");
  expect(FakeSocket.last.protocol).toBe("tidewire.v1");
  expect(FakeSocket.last.sent).toEqual([]);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.sent).toEqual([
    { type: "subscribe", id: expect.any(Number), topics: [{ topic: "a" }, { topic: "b", since: cursorAt(5, "b") }] },
  ]);
  FakeSocket.last.subscribed();
  push.subscribe("c", () => {});
  push.subscribe("d", () => {});
  await settle();
  expect(FakeSocket.last.of("subscribe")[1]?.topics).toEqual([{ topic: "c" }, { topic: "d" }]);
});

test("messages reach the handlers, and then the cursor moves", async () => {
  const { push, sub, got } = await onSocket();
  await sub.ready;
  expect(sub.cursor).toBe(cursorAt(0));
  const seen: unknown[] = [];
  const other = push.subscribe("a", (m) => seen.push([sub.cursor, m.event, m.key, m.cursor, m.json()]));
  FakeSocket.last.say({ ...messageAt(1), event: "e" });
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:2"]);
  expect(seen).toEqual([
    [cursorAt(0), "e", "", cursorAt(1), 1],
    [cursorAt(1), "", "", cursorAt(2), 2],
  ]);
  expect([sub.cursor, other.cursor]).toEqual([cursorAt(2), cursorAt(2)]);
});

test("subscriptions share a topic; the last one to close leaves it", async () => {
  const { push, sub, got } = await onSocket();
  const other = notes();
  const second = push.subscribe("a", other.handlers);
  await second.ready;
  expect(FakeSocket.last.of("subscribe")).toHaveLength(1);
  sub.close();
  sub.close();
  FakeSocket.last.say(messageAt(1));
  expect([got, other.got]).toEqual([[], ["a:1"]]);
  expect(FakeSocket.last.of("unsubscribe")).toEqual([]);
  second.close();
  expect(FakeSocket.last.of("unsubscribe")).toEqual([{ type: "unsubscribe", id: expect.any(Number), topics: ["a"] }]);
  FakeSocket.last.say(messageAt(2));
  expect(other.got).toEqual(["a:1"]);
});

test("a topic that was left and is followed anew gets nothing of its older life", async () => {
  const { push, sub } = await onSocket();
  sub.close();
  const noted = notes();
  const again = push.subscribe("a", noted.handlers, { since: cursorAt(5) });
  await settle();
  FakeSocket.last.say(messageAt(9));
  expect(again.cursor).toBe(cursorAt(5));
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(6));
  FakeSocket.last.say(messageAt(7));
  expect(noted.got).toEqual(["a:6", "a:7"]);
});

test("a later place in a topic that is followed already is ignored", async () => {
  const { push, got } = await onSocket();
  FakeSocket.last.say(messageAt(5));
  const noted = notes();
  const later = push.subscribe("a", noted.handlers, { since: cursorAt(2) });
  await later.ready;
  expect(later.cursor).toBe(cursorAt(5));
  FakeSocket.last.say(messageAt(6));
  expect([got, noted.got]).toEqual([["a:5", "a:6"], ["a:6"]]);
  expect([FakeSocket.all.length, FakeSocket.last.of("subscribe").length]).toEqual([1, 1]);
});

test("gaps reach their handler, and then set the place", async () => {
  const { push, sub, got } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  const epoch = "0123456789abcdef";
  const gap = { topic: "a", reason: "epoch", now: { epoch, offset: 40 }, cursor: cursorAt(40, "a", epoch) };
  const gaps: unknown[] = [];
  push.subscribe("a", { gap: (g) => gaps.push([g, sub.cursor]) });
  FakeSocket.last.say({ type: "gap", ...gap });
  expect(gaps).toEqual([[gap, cursorAt(1)]]);
  expect(sub.cursor).toBe(gap.cursor);
  FakeSocket.last.say(messageAt(41));
  expect(sub.cursor).toBe(cursorAt(41, "a", epoch));
  expect(got).toEqual(["a:1", "a:gap epoch", "a:41"]);
});

test("a gap that does not say where it ends is followed by any message", async () => {
  const { sub, got, push } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say({ type: "gap", topic: "a", reason: "unknown_cursor", cursor: cursorAt(3) });
  expect(sub.cursor).toBe(cursorAt(3));
  FakeSocket.last.say(messageAt(7));
  expect([got, push.status.state]).toEqual([["a:1", "a:gap unknown_cursor", "a:7"], "online"]);
});

test("messages that can't be resumed are passed on and move nothing", async () => {
  const { push, sub, got } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  const cursors: unknown[] = [];
  push.subscribe("a", (m) => cursors.push(m.cursor));
  FakeSocket.last.say({ type: "message", topic: "a", id: "x", data: "ephemeral" });
  expect([sub.cursor, cursors]).toEqual([cursorAt(1), [undefined]]);
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:ephemeral", "a:2"]);
  expect(sub.cursor).toBe(cursorAt(2));
});

test("a message that can't be resumed needs no place", async () => {
  const { push } = await onSocket();
  const noted = notes();
  const sub = push.subscribe("b", noted.handlers);
  await settle();
  FakeSocket.last.say({ type: "subscribed", id: FakeSocket.last.of("subscribe")[1]?.id, topics: [{ topic: "b" }] });
  FakeSocket.last.say({ type: "message", topic: "b", data: "ephemeral" });
  expect([noted.got, sub.cursor, push.status.state]).toEqual([["b:ephemeral"], undefined, "online"]);
});

test("a message that comes twice is given once", async () => {
  const { push, got } = await onSocket();
  for (const offset of [1, 1, 2, 2]) FakeSocket.last.say(messageAt(offset));
  expect(got).toEqual(["a:1", "a:2"]);
  expect(push.status.state).toBe("online");
});

test("a message that comes again after a resume is given once", async () => {
  const { got } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.end(1006);
  await pass(1000);
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:2"]);
});

test("a move from a cursor that the server hasn't said makes the client resume", async () => {
  const { push, states } = client({ transports: ["websocket"] });
  const noted = notes();
  const sub = push.subscribe("a", noted.handlers, { since: "broken" });
  const answer = async (cursor?: string): Promise<void> => {
    FakeSocket.last.welcome();
    await settle();
    const [{ id, topics } = {}] = FakeSocket.last.of("subscribe");
    expect(topics).toEqual([{ topic: "a", since: "broken" }]);
    FakeSocket.last.say({ type: "subscribed", id, topics: [{ topic: "a", from: "cursor", cursor }] });
  };
  await answer();
  FakeSocket.last.say({ type: "message", topic: "a", data: "ephemeral" });
  FakeSocket.last.say(messageAt(1));
  expect(states.at(-1)).toMatchObject({ state: "waiting", error: { code: "protocol_violation", retry: "later" } });
  await pass(1000);
  await answer();
  FakeSocket.last.say({ type: "gap", topic: "a", reason: "unknown_cursor", cursor: cursorAt(7) });
  FakeSocket.last.say(messageAt(8));
  expect(noted.got).toEqual(["a:ephemeral", "a:gap unknown_cursor", "a:8"]);
  expect(sub.cursor).toBe(cursorAt(8));
});

test("a cursor that is known on one connection isn't on the next until the server says it", async () => {
  const { push, got } = await onSocket({ transports: ["websocket"] });
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.end(1006);
  await pass(1000);
  FakeSocket.last.welcome();
  await settle();
  const [{ id } = {}] = FakeSocket.last.of("subscribe");
  FakeSocket.last.say({ type: "subscribed", id, topics: [{ topic: "a", from: "cursor" }] });
  FakeSocket.last.say(messageAt(2));
  expect([got, push.status.error?.code]).toEqual([["a:1"], "protocol_violation"]);
});

for (const cursor of [5, {}])
  test(`a cursor that is ${JSON.stringify(cursor)} is a violation`, async () => {
    const { push } = await onSocket();
    FakeSocket.last.say({ type: "gap", topic: "a", reason: "trimmed", cursor });
    FakeSocket.last.say(messageAt(1));
    expect(push.status.error?.code).toBe("protocol_violation");
  });

test("a topic is asked for with its last messages, again with its cursor, and without them if they are 0", async () => {
  const { push, sub } = await onSocket({ transports: ["websocket"] }, undefined, 20);
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", recent: 20 }]);
  push.subscribe("a", () => {}, { recent: 100 });
  push.subscribe("b", () => {}, { recent: 0 });
  await settle();
  expect(FakeSocket.last.of("subscribe")[1]?.topics).toEqual([{ topic: "b" }]);
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.end(1006);
  await pass(1000);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics[0]).toEqual({ topic: "a", since: sub.cursor, recent: 20 });
});

test("a handler that throws is reported, disturbs nobody, and has had its message", async () => {
  const report = vi.fn();
  vi.stubGlobal("reportError", report);
  const { push, sub } = await onSocket();
  const bang = new Error("bang");
  const bad = push.subscribe("a", () => {
    throw bang;
  });
  const noted = notes();
  push.subscribe("a", noted.handlers);
  FakeSocket.last.say(messageAt(1));
  expect(report.mock.calls).toEqual([[bang]]);
  expect(noted.got).toEqual(["a:1"]);
  expect([sub.cursor, bad.cursor]).toEqual([cursorAt(1), cursorAt(1)]);
  expect(FakeSocket.last.closed).toBe(false);
});

test("handlers may close and subscribe while they run", async () => {
  const { push } = await onSocket();
  const got: string[] = [];
  const first = push.subscribe("a", () => {
    got.push("first");
    second.close();
    push.subscribe("a", () => got.push("late"));
    first.close();
  });
  const second = push.subscribe("a", () => got.push("second"));
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["first", "late"]);
});

test("a topic that is refused for good ends; the others live", async () => {
  const { push, got } = await onSocket();
  const noted = notes();
  const refused = push.subscribe("secret", noted.handlers);
  await settle();
  const { id } = FakeSocket.last.of("subscribe")[1] as { id: number };
  const error = { code: "forbidden", reason: "no", retry: "never" };
  FakeSocket.last.say({ type: "subscribed", id, topics: [{ topic: "secret", error }] });
  await expect(refused.ready).rejects.toMatchObject({
    name: "PushError",
    code: "forbidden",
    retry: "never",
    message: "no",
  });
  expect(noted.errors).toEqual(["forbidden"]);
  refused.close();
  FakeSocket.last.say(messageAt(1));
  expect(got).toEqual(["a:1"]);
  FakeSocket.last.end(1006);
  await pass(1000);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(1) }]);
});

test("a topic that is refused for a while is asked for again by the next connection", async () => {
  const { push, got } = await onSocket();
  const noted = notes();
  const sub = push.subscribe("b", noted.handlers);
  await settle();
  const { id } = FakeSocket.last.of("subscribe")[1] as { id: number };
  FakeSocket.last.say({ type: "error", id, code: "rate_limited", reason: "slowly", retry: "later" });
  expect(noted.errors).toEqual(["rate_limited"]);
  FakeSocket.last.say(messageAt(1));
  expect(got).toEqual(["a:1"]);
  FakeSocket.last.end(1006);
  await pass(1000);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(1) }, { topic: "b" }]);
  FakeSocket.last.subscribed();
  await sub.ready;
});

test("ready is rejected when the client closes before, and nobody has to listen", async () => {
  const { push } = client();
  const sub = push.subscribe("a", () => {});
  push.close();
  await expect(sub.ready).rejects.toMatchObject({ code: "closed" } satisfies Partial<PushError>);
});

test("a topic that is refused for now is asked for again on the same connection, when the server says", async () => {
  const { push } = await onSocket();
  const noted = notes();
  const sub = push.subscribe("b", noted.handlers);
  await settle();
  const refuse = (nth: number, after?: number): void => {
    const { id } = FakeSocket.last.of("subscribe")[nth] as { id: number };
    const error = { code: "rate_limited", reason: "slowly", retry: "later", after };
    FakeSocket.last.say({ type: "subscribed", id, topics: [{ topic: "b", error }] });
  };
  refuse(1, 7000);
  await pass(6990);
  expect(FakeSocket.last.of("subscribe")).toHaveLength(2);
  await pass(20);
  expect(FakeSocket.last.of("subscribe")[2]?.topics).toEqual([{ topic: "b" }]);
  refuse(2);
  await pass(2000);
  const { id } = FakeSocket.last.of("subscribe")[3] as { id: number };
  FakeSocket.last.say({ type: "subscribed", id, topics: [{ topic: "b", from: "now", cursor: cursorAt(0, "b") }] });
  await sub.ready;
  expect(noted.errors).toEqual(["rate_limited", "rate_limited"]);
  expect(FakeSocket.all).toHaveLength(1);
});

test("a topic that is left is not asked for again", async () => {
  const { push } = await onSocket();
  const sub = push.subscribe("b", () => {});
  await settle();
  const { id } = FakeSocket.last.of("subscribe")[1] as { id: number };
  FakeSocket.last.say({ type: "error", id, code: "unavailable", reason: "not now", retry: "later" });
  sub.close();
  await pass(5000);
  expect(FakeSocket.last.of("subscribe")).toHaveLength(2);
});

test("many topics are asked for in several frames, one after the other, none of them too long", async () => {
  const { push } = client({ transports: ["websocket"] });
  for (let i = 0; i < 250; i++) push.subscribe(`t${i}`, () => {});
  const since = "x".repeat(2_000);
  for (let i = 0; i < 50; i++) push.subscribe(`long${i}`, () => {}, { since });
  FakeSocket.last.welcome();
  await settle();
  for (let asked = 1; asked <= 6; asked++) {
    const requests = FakeSocket.last.of("subscribe");
    if (requests.length < asked) break;
    expect(requests).toHaveLength(asked);
    expect(JSON.stringify(requests.at(-1)).length).toBeLessThan(65_536);
    FakeSocket.last.subscribed();
  }
  const names = FakeSocket.last.of("subscribe").map(({ topics }) => topics.length);
  expect([names.slice(0, 2), names.reduce((a, b) => a + b)]).toEqual([[100, 100], 300]);
});

test("past what a server takes at once, topics are asked for at its pace", async () => {
  const { push } = client({ transports: ["websocket"] });
  for (let i = 0; i < 1_100; i++) push.subscribe(`t${i}`, () => {});
  FakeSocket.last.welcome();
  await settle();
  const asked = (): number => FakeSocket.last.of("subscribe").length * 100;
  while (asked() < 800) FakeSocket.last.subscribed();
  FakeSocket.last.subscribed();
  for (let second = 1; second <= 3; second++) {
    expect(asked()).toBe(700 + second * 100);
    await pass(1_000);
    FakeSocket.last.subscribed();
  }
  expect(asked()).toBe(1_100);
});

test("when there is no room for one, there is none for those after it, until one is left", async () => {
  const { push } = client({ transports: ["websocket"] });
  const noted = notes();
  const subs = Array.from({ length: 250 }, (_, i) => push.subscribe(`t${i}`, noted.handlers));
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  const error = { code: "limit_reached", reason: "r", retry: "later" };
  const { id, topics } = FakeSocket.last.of("subscribe").at(-1) as { id: number; topics: { topic: string }[] };
  FakeSocket.last.say({ type: "subscribed", id, topics: topics.map(({ topic }) => ({ topic, error })) });
  await settle();
  expect([FakeSocket.last.of("subscribe").length, noted.errors.length]).toEqual([2, 150]);
  subs[0]?.();
  await settle();
  expect(FakeSocket.last.sent.slice(-2).map(({ type, topics: [first] }) => [type, first.topic ?? first])).toEqual([
    ["unsubscribe", "t0"],
    ["subscribe", "t100"],
  ]);
});
