import { expect, test, vi } from "vitest";
import type { PushError } from "../src/error.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onSocket, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

test("topics of one tick go out in one frame, after the welcome", async () => {
  const { push } = client();
  push.subscribe("a", () => {});
  push.subscribe("b", () => {}, { since: "cB" });
  push.subscribe("a", () => {});
  await settle();
  expect(FakeSocket.last.url).toBe("wss://example.com/push/ws");
  expect(FakeSocket.last.protocol).toBe("tidewire.v1");
  expect(FakeSocket.last.sent).toEqual([]);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.sent).toEqual([
    { type: "subscribe", id: expect.any(Number), topics: [{ topic: "a" }, { topic: "b", since: "cB" }] },
  ]);
  push.subscribe("c", () => {});
  push.subscribe("d", () => {});
  await settle();
  expect(FakeSocket.last.of("subscribe")[1]?.topics).toEqual([{ topic: "c" }, { topic: "d" }]);
});

test("messages reach the handlers, and then the cursor moves", async () => {
  const { push, sub, got } = await onSocket();
  await sub.ready;
  expect(sub.cursor).toBe("now");
  const seen: unknown[] = [];
  const other = push.subscribe("a", (m) => seen.push([sub.cursor, m.event, m.key, m.cursor, m.offset, m.json()]));
  FakeSocket.last.say({ ...messageAt(1), event: "e" });
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:2"]);
  expect(seen).toEqual([
    ["now", "e", "", "c1", 1, 1],
    ["c1", "", "", "c2", 2, 2],
  ]);
  expect([sub.cursor, other.cursor]).toEqual(["c2", "c2"]);
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
  const again = push.subscribe("a", noted.handlers, { since: "c5" });
  await settle();
  FakeSocket.last.say(messageAt(9));
  expect(again.cursor).toBe("c5");
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(6));
  FakeSocket.last.say(messageAt(7));
  expect(noted.got).toEqual(["a:6", "a:7"]);
});

test("a later place in a topic that is followed already is ignored", async () => {
  const { push, got } = await onSocket();
  FakeSocket.last.say(messageAt(5));
  const noted = notes();
  const later = push.subscribe("a", noted.handlers, { since: "c2" });
  await later.ready;
  expect(later.cursor).toBe("c5");
  FakeSocket.last.say(messageAt(6));
  expect([got, noted.got]).toEqual([["a:5", "a:6"], ["a:6"]]);
  expect([FakeSocket.all.length, FakeSocket.last.of("subscribe").length]).toEqual([1, 1]);
});

test("gaps reach their handler and set the place", async () => {
  const { sub, got } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  const gap = { type: "gap", topic: "a", reason: "epoch", now: { epoch: "f", offset: 40 }, cursor: "f40" };
  FakeSocket.last.say(gap);
  expect(sub.cursor).toBe("f40");
  FakeSocket.last.say(messageAt(41, "a", "f"));
  expect(got).toEqual(["a:1", "a:gap epoch", "a:41"]);
});

test("a gap that does not say where it ends is followed by any message", async () => {
  const { sub, got, push } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say({ type: "gap", topic: "a", reason: "unknown_cursor", cursor: "g" });
  expect(sub.cursor).toBe("g");
  FakeSocket.last.say(messageAt(7));
  expect([got, push.status.state]).toEqual([["a:1", "a:gap unknown_cursor", "a:7"], "online"]);
});

test("messages without a place are passed on and move nothing", async () => {
  const { sub, got } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say({ type: "message", topic: "a", id: "x", data: "ephemeral" });
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:ephemeral", "a:2"]);
  expect(sub.cursor).toBe("c2");
});

test("a message that comes twice is given once", async () => {
  const { push, got } = await onSocket();
  for (const offset of [1, 1, 2, 2]) FakeSocket.last.say(messageAt(offset));
  expect(got).toEqual(["a:1", "a:2"]);
  expect(push.status.state).toBe("online");
});

for (const [name, frame] of [
  ["jumps", messageAt(4)],
  ["goes back", messageAt(1)],
  ["changes its epoch", messageAt(3, "a", "f")],
] as const) {
  test(`an offset that ${name} makes the client resume`, async () => {
    const { got, states } = await onSocket();
    FakeSocket.last.say(messageAt(1));
    FakeSocket.last.say(messageAt(2));
    FakeSocket.last.say(frame);
    expect(FakeSocket.last.closed).toBe(true);
    expect(states.at(-1)?.error?.code).toBe("protocol_violation");
    await pass(1000);
    FakeSocket.last.welcome();
    await settle();
    expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: "c2" }]);
    FakeSocket.last.subscribed();
    FakeSocket.last.say(messageAt(3));
    expect(got).toEqual(["a:1", "a:2", "a:3"]);
  });
}

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
  expect([sub.cursor, bad.cursor]).toEqual(["c1", "c1"]);
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
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: "c1" }]);
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
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: "c1" }, { topic: "b" }]);
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
  FakeSocket.last.say({ type: "subscribed", id, topics: [{ topic: "b", from: "now", cursor: "c0" }] });
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
