import { expect, test, vi } from "vitest";
import { connect } from "../src/connect.ts";
import { cursorAt } from "./cursors.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onSocket, onStream, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const ws = { transports: ["websocket"] } as const;

test("the status tells all", async () => {
  const { push, states, names } = await onSocket(ws);
  const since = expect.any(Number);
  expect(states).toEqual([
    { state: "connecting", since },
    { state: "online", since, transport: "websocket", session: "s", latency: undefined },
  ]);
  expect(push.status).toBe(states[1]);
  FakeSocket.last.end(1006);
  expect(states[2]).toMatchObject({ state: "waiting", error: { code: "transport_failed" }, retryAt: Date.now() + 250 });
  await pass(250);
  expect(names().slice(2)).toEqual(["waiting", "connecting"]);
  expect(push.status.session).toBeUndefined();
  FakeSocket.last.welcome(25_000, "another");
  expect(push.status.session).toBe("another");
  push.close();
  expect(push.status.session).toBeUndefined();
  expect(push.status).toMatchObject({ state: "closed", error: { code: "closed" } });
});

test("listeners hear the status at once, until they are off; one that throws disturbs nobody", async () => {
  vi.stubGlobal("reportError", vi.fn());
  const { push, states } = client(ws);
  const heard: string[] = [];
  let calls = 0;
  push.onStatus(() => {
    if (calls++) throw new Error("bang");
  });
  const off = push.onStatus(({ state }) => heard.push(state));
  expect(heard).toEqual(["connecting"]);
  off();
  FakeSocket.last.welcome();
  expect(heard).toEqual(["connecting"]);
  expect(states).toHaveLength(2);
});

test("a cut connection is resumed from the last message", async () => {
  const { got, sub } = await onSocket(ws);
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say(messageAt(2));
  FakeSocket.last.end(1006);
  FakeSocket.last.say(messageAt(3));
  await pass(500);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(2) }]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(3));
  expect(got).toEqual(["a:1", "a:2", "a:3"]);
  expect(sub.cursor).toBe(cursorAt(3));
});

test("a topic resumes from its subscribe even before its first message", async () => {
  await onSocket(ws);
  FakeSocket.last.end(1006);
  await pass(500);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(0) }]);
});

test("pings are answered", async () => {
  await onSocket(ws);
  FakeSocket.last.say({ type: "ping" });
  expect(FakeSocket.last.of("pong")).toEqual([{ type: "pong" }]);
});

test("silence beyond the heartbeat ends the link without waiting for it", async () => {
  const { states } = await onSocket(ws);
  const dead = FakeSocket.last;
  for (let i = 0; i < 4; i++) {
    await pass(34_900);
    dead.say({ type: "ping" });
  }
  expect(dead.closed).toBe(false);
  await pass(35_000);
  expect(dead.closed).toBe(true);
  expect(states.at(-1)?.error?.code).toBe("transport_silent");
  dead.end(1006);
  dead.say(messageAt(1));
  expect(states.at(-1)?.error?.code).toBe("transport_silent");
  await pass(500);
  expect(FakeSocket.all).toHaveLength(2);
});

test("a connection that does not open in time is given up", async () => {
  const { states } = client({ ...ws, connectTimeout: 3000 });
  await pass(2999);
  expect(FakeSocket.last.closed).toBe(false);
  await pass(1);
  expect(FakeSocket.last.closed).toBe(true);
  expect(states.at(-1)?.error?.code).toBe("transport_timeout");
});

for (const [close, code] of [
  [1000, "refused"],
  [1002, "refused"],
  [1003, "refused"],
  [1007, "refused"],
  [1009, "too_large"],
  [4400, "bad_request"],
  [4401, "unauthenticated"],
  [4403, "forbidden"],
  [4409, "wrong_kind"],
] as const) {
  test(`close code ${close} is final`, async () => {
    const { states } = await onSocket();
    FakeSocket.last.end(close);
    await pass(120_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(states.at(-1)).toMatchObject({ state: "closed", error: { code, retry: "never" } });
  });
}

for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 4408, 4429, 4430, 4431]) {
  test(`after close code ${code} the client comes back`, async () => {
    await onSocket(ws);
    FakeSocket.last.end(code);
    await pass(1000);
    expect(FakeSocket.all).toHaveLength(2);
  });
}

test("an error frame says why the connection ends", async () => {
  const { states } = await onSocket();
  FakeSocket.last.say({ type: "error", code: "unauthenticated", reason: "expired", retry: "never" });
  FakeSocket.last.end(1006);
  expect(states.at(-1)).toMatchObject({ state: "closed", error: { code: "unauthenticated", message: "expired" } });
});

test("a closed client opens again, with its subscriptions", async () => {
  const { push, got } = await onSocket(ws);
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.end(4401);
  await pass(60_000);
  push.reconnect();
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:2"]);
});

test("reconnect tries now instead of waiting", async () => {
  const { push } = await onSocket(ws);
  FakeSocket.last.end(1006);
  push.reconnect();
  push.reconnect();
  expect(FakeSocket.all).toHaveLength(2);
  await pass(5000);
  expect(FakeSocket.all).toHaveLength(2);
});

test("a server that goes away says when to come back", async () => {
  for (const how of ["frame", "reason"]) {
    await onSocket(ws);
    await pass(6000);
    if (how === "frame") FakeSocket.last.say({ type: "reconnect", after: 3500 });
    FakeSocket.last.end(1012, how === "frame" ? "" : "3500");
    await pass(3499);
    expect(FakeSocket.all).toHaveLength(1);
    await pass(1);
    expect(FakeSocket.all).toHaveLength(2);
  }
});

for (const after of [1e12, Number.POSITIVE_INFINITY, -5, "x", null, {}, undefined]) {
  test(`a delay of ${after} neither loops nor waits for ever`, async () => {
    await onSocket(ws);
    FakeSocket.last.say(
      `{"type":"reconnect","after":${after === Number.POSITIVE_INFINITY ? "1e999" : (JSON.stringify(after) ?? "0")}}`,
    );
    for (let i = 0; i < 20; i++) {
      FakeSocket.last.end(1012);
      await pass(100);
    }
    expect(FakeSocket.all.length).toBeLessThanOrEqual(5);
    await pass(301_000);
    expect(FakeSocket.all.length).toBeGreaterThan(1);
  });
}

for (const [name, answer] of [
  ["1006", (s: FakeSocket) => s.end(1006)],
  ["1012 at once", (s: FakeSocket) => s.end(1012, "0")],
  ["1012 soon", (s: FakeSocket) => s.end(1012, "1")],
  ["4430", (s: FakeSocket) => s.end(4430)],
  ["a welcome and 1006", (s: FakeSocket) => [s.welcome(), s.end(1006)]],
  ["a welcome and nonsense", (s: FakeSocket) => [s.welcome(), s.say("nonsense")]],
] as const) {
  test(`a server that always answers ${name} sees 5 attempts in 2 s at most`, async () => {
    vi.spyOn(Math, "random").mockReturnValue(0);
    await onSocket(ws);
    await pass(6000);
    const before = FakeSocket.all.length;
    FakeSocket.last.end(1006);
    for (let ms = 0; ms < 2000; ms += 10) {
      for (const socket of FakeSocket.all) if (!socket.closed) answer(socket);
      await pass(10);
    }
    expect(FakeSocket.all.length - before).toBeLessThanOrEqual(5);
    expect(FakeSocket.all.length - before).toBeGreaterThan(1);
  });
}

test("the backoff starts anew only after proof of life", async () => {
  const { states } = await onSocket(ws);
  const wait = (): number => (states.at(-1)?.retryAt ?? 0) - Date.now();
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) {
    FakeSocket.last.end(1006);
    waits.push(wait());
    await pass(wait());
    FakeSocket.last.welcome();
    await pass(100);
  }
  expect(waits).toEqual([250, 1000, 1500, 2500]);
  await pass(5000);
  FakeSocket.last.end(1006);
  expect(wait()).toBe(250);
});

const hostile: [string, unknown][] = [
  ["no JSON", "{"],
  ["null", "null"],
  ["binary", new Blob(["x"])],
  ["a message without data", { ...messageAt(1), data: undefined }],
  ["data that is no base64", { ...messageAt(1), encoding: "base64", data: "%" }],
  ["base64 that is no text", { ...messageAt(1), encoding: "base64", data: 1234 }],
];
for (const [name, frame] of hostile) {
  test(`${name} is a violation, and the client comes back later`, async () => {
    const { got, states } = await onSocket(ws);
    if (frame instanceof Blob) FakeSocket.last.onmessage?.({ data: frame });
    else FakeSocket.last.say(frame);
    expect(got).toEqual([]);
    expect(states.at(-1)).toMatchObject({ state: "waiting", error: { code: "protocol_violation", retry: "later" } });
    expect(FakeSocket.last.closed).toBe(true);
    await pass(1000);
    expect(FakeSocket.all).toHaveLength(2);
  });
}

test("an answer whose topics are no list is a violation", async () => {
  for (const topics of [5, [null], {}]) {
    const { push } = await onSocket(ws);
    push.subscribe("b", () => {});
    await settle();
    FakeSocket.last.say({ type: "subscribed", id: FakeSocket.last.of("subscribe")[1]?.id, topics });
    expect(push.status.error?.code).toBe("protocol_violation");
  }
});

for (const frame of [
  5,
  "x",
  [],
  {},
  { type: 5 },
  { type: "new" },
  { type: "message", topic: "other" },
  { type: "unsubscribed", id: 9, topics: ["a"] },
  { type: "pong" },
  { type: "subscribed", id: 999, topics: [] },
  { type: "reply", id: 999 },
]) {
  test(`${JSON.stringify(frame)} is nothing to the client`, async () => {
    const { push, got } = await onSocket(ws);
    FakeSocket.last.say(JSON.stringify(frame));
    FakeSocket.last.say(messageAt(1));
    expect(got).toEqual(["a:1"]);
    expect(push.status.state).toBe("online");
  });
}

test("names from the prototype are names like any other", async () => {
  const { push } = client(ws);
  const got: unknown[] = [];
  for (const topic of ["__proto__", "constructor", "toString"])
    push.subscribe(topic, (m) => got.push([m.topic, m.json()]));
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  for (const topic of ["__proto__", "constructor", "toString", "valueOf"])
    FakeSocket.last.say({ ...messageAt(1, topic), data: '{"__proto__":{"polluted":1}}' });
  FakeSocket.last.say('{"type":"message","topic":"__proto__","__proto__":{"polluted":1},"id":"x","data":"1"}');
  expect(got).toHaveLength(4);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test("relative URLs are of the page, and a slash at the end is nothing", async () => {
  vi.stubGlobal("location", { href: "http://localhost:8080/app/" });
  const push = connect("/push/", { ...ws, WebSocket: FakeSocket.type, fetch });
  push.reconnect();
  expect(FakeSocket.last.url).toBe("ws://localhost:8080/push/ws");
  push.close();
});

/** A page to put to sleep and to wake. */
function page() {
  const target = new EventTarget();
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  const document = { hidden: false };
  vi.stubGlobal("document", document);
  return {
    document,
    fire: (type: string, persisted = true) => target.dispatchEvent(Object.assign(new Event(type), { persisted })),
  };
}

for (const [sleep, wake] of [
  ["pagehide", "pageshow"],
  ["freeze", "resume"],
] as const) {
  test(`${sleep} closes, ${wake} reconnects at once`, async () => {
    const { fire } = page();
    const { states, got } = await onSocket(ws);
    FakeSocket.last.say(messageAt(1));
    fire(sleep);
    expect(FakeSocket.last.closed).toBe(true);
    expect(states.at(-1)).toEqual({ state: "waiting", since: expect.any(Number) });
    await pass(600_000);
    expect(FakeSocket.all).toHaveLength(1);
    fire(wake);
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.last.welcome();
    await settle();
    FakeSocket.last.subscribed();
    FakeSocket.last.say(messageAt(2));
    expect(got).toEqual(["a:1", "a:2"]);
  });
}

for (const type of ["online", "visibilitychange"]) {
  test(`${type} ends the wait, and probes a link that seems up`, async () => {
    const { fire } = page();
    await onSocket(ws);
    const { length } = FakeSocket.last.of("ping");
    fire(type);
    expect(FakeSocket.last.of("ping")).toHaveLength(length + 1);
    FakeSocket.last.say({ type: "pong" });
    await pass(10_000);
    expect(FakeSocket.last.closed).toBe(false);
    fire(type);
    await pass(2000);
    expect(FakeSocket.last.closed).toBe(true);
    fire(type);
    expect(FakeSocket.all).toHaveLength(2);
  });
}

test("a page that is hidden stays connected", async () => {
  const { fire, document } = page();
  await onSocket(ws);
  document.hidden = true;
  fire("visibilitychange");
  expect([FakeSocket.last.closed, FakeSocket.last.sent.length]).toEqual([false, 1]);
});

test("a closed client listens to nothing", async () => {
  const { fire } = page();
  const { push } = await onSocket(ws);
  push.close();
  for (const type of ["online", "pageshow", "resume", "visibilitychange", "freeze"]) fire(type);
  expect(FakeSocket.all).toHaveLength(1);
  expect(push.status.state).toBe("closed");
});

test("listeners may close and reconnect at any moment", async () => {
  for (const when of ["connecting", "online", "waiting"] as const) {
    for (const act of ["close", "reconnect"] as const) {
      const { push } = client(ws);
      let done = false;
      push.onStatus(({ state }) => {
        if (state === when && !done) {
          done = true;
          push[act]();
        }
      });
      FakeSocket.last.welcome();
      FakeSocket.last.end(1006);
      await pass(1000);
      expect(push.status.state).toBe(act === "close" ? "closed" : "connecting");
      push.close();
    }
  }
});

test("a handler may reconnect a client that it has closed", async () => {
  const { push, got } = await onSocket(ws);
  const sub = push.subscribe("a", () => {
    sub.close();
    push.close();
    push.reconnect();
  });
  FakeSocket.last.say(messageAt(1));
  expect([FakeSocket.all.length, push.status.state]).toEqual([2, "connecting"]);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(1) }]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(2));
  expect(got).toEqual(["a:1", "a:2"]);
});

test("a handler may close the client", async () => {
  const { push } = await onSocket(ws);
  push.subscribe("a", () => push.close());
  const noted = notes();
  push.subscribe("a", noted.handlers);
  FakeSocket.last.say(messageAt(1));
  FakeSocket.last.say(messageAt(2));
  expect(noted.got).toEqual(["a:1"]);
  const stream = await onStream();
  const sub = stream.push.subscribe("a", () => stream.push.close());
  stream.server.last().write(`data: ${JSON.stringify(messageAt(1))}\n\ndata: ${JSON.stringify(messageAt(2))}\n\n`);
  await settle();
  expect(stream.got).toEqual(["a:1"]);
  expect(sub.cursor).toBe(cursorAt(1));
});
