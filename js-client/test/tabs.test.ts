import { expect, test, vi } from "vitest";
import { PushError } from "../src/error.ts";
import type { SubscribeOptions } from "../src/types.ts";
import type { Page } from "./fakebrowser.ts";
import { numbers, pass, worlds } from "./tabsetup.ts";

const world = worlds();

/** Publishes the numbers that come next. */
function publish(count = 1, topic = "a"): void {
  for (let i = 0; i < count; i++) world.server.publish(topic, world.server.topic(topic).head + 1);
}

const open = () => world.open();

test("all tabs share one connection, and get all messages", async () => {
  const followed = numbers(1, 10).map(() => open().follow("a"));
  await pass(100);
  publish(20);
  await pass(100);
  for (const { got } of followed) expect(got).toEqual(numbers(1, 20));
  const { server, tabs } = world;
  expect([server.handshakes, server.sockets.size, server.polls]).toEqual([1, 1, 0]);
  for (const { states } of tabs) expect(states.map(({ state }) => state)).toEqual(["idle", "connecting", "online"]);
});

for (const [name, leave] of Object.entries({
  closes: (page: Page) => page.close(),
  crashes: (page: Page) => page.crash(),
  "is frozen": (page: Page) => page.freeze(),
  "is frozen without a word": (page: Page) => page.freeze(false),
}))
  test(`a leader that ${name}: nothing is lost, nothing comes twice`, async () => {
    const leader = open();
    const own = leader.follow("a");
    const followed = numbers(1, 4).map(() => open().follow("a"));
    await pass(100);
    publish(5);
    await pass(3);
    // Some of these are on their way to the leader, or from it.
    publish(5);
    await pass(3);
    await leave(leader.page);
    publish(5);
    await pass(20_000);
    publish(5);
    await pass(100);
    for (const { got } of followed) expect(got).toEqual(numbers(1, 20));
    leader.page.thaw();
    await pass(100);
    publish(5);
    await pass(100);
    for (const { got } of /frozen/.test(name) ? [own, ...followed] : followed) expect(got).toEqual(numbers(1, 25));
    expect(world.server.sockets.size).toBe(1);
  });

for (const busy of [false, true])
  test(`a tab that comes late gets what it asks for, while the topic ${busy ? "is busy" : "rests"}`, async () => {
    const first = open().follow("a");
    await pass(100);
    publish(10);
    await pass(100);
    const since = first.sub.cursor;
    publish(10);
    await pass(busy ? 3 : 100);
    const asked = {
      now: open().follow("a"),
      since: open().follow("a", { since }),
      recent: open().follow("a", { recent: 5 }),
      load: open().follow("a", { load: async () => since }),
    };
    for (let i = 0; i < 100; i++) {
      if (busy) publish();
      await pass(1);
    }
    await pass(300);
    const { head } = world.server.topic("a");
    expect(first.got).toEqual(numbers(1, head));
    expect(asked.since.got).toEqual(numbers(11, head));
    expect(asked.load.got).toEqual(numbers(11, head));
    const [recent] = asked.recent.got as [number];
    expect(asked.recent.got).toEqual(numbers(recent, head));
    expect(head - recent + 1).toBeGreaterThanOrEqual(5);
    expect(asked.now.got).toEqual(numbers((asked.now.got as number[])[0] ?? head + 1, head));
    for (const { sub } of Object.values(asked)) expect(sub.cursor).toBe(first.sub.cursor);
    const { polls, sockets } = world.server;
    await pass(60_000);
    publish();
    await pass(10);
    for (const { got } of [first, ...Object.values(asked)]) expect(got.at(-1)).toBe(head + 1);
    expect([world.server.polls, sockets.size]).toEqual([polls, 1]);
  });

test("before the first message a topic has many cursors, which are one place", async () => {
  const first = open().follow("a");
  await pass(100);
  await pass(5_000);
  const { server } = world;
  const recent = open().follow("a", { recent: 20 });
  const since = open().follow("a", { since: server.topic("a").cursor() });
  await pass(100);
  const map = open();
  server.states.add("s");
  const one = map.map("s");
  await pass(5_000);
  const other = open().map("s");
  await pass(100);
  const { polls } = server;
  await pass(60_000);
  expect([server.polls, server.sockets.size]).toEqual([polls, 1]);
  publish(3);
  server.set("s", "k", 1);
  await pass(100);
  for (const { got } of [first, recent, since]) expect(got).toEqual([1, 2, 3]);
  for (const copy of [one, other]) expect(Object.fromEntries(copy)).toEqual({ k: 1 });
});

test("a tab that comes late in the middle of a state's changes waits for their end", async () => {
  const { server } = world;
  server.states.add("s");
  server.set("s", "k", 1);
  const first = open().map("s");
  await pass(100);
  const since = server.topic("s").cursor();
  const [socket] = server.sockets;
  if (socket) socket.quiet = true;
  socket?.say({ type: "state", topic: "s", changes: [{ key: "k", version: 2, data: 2 }] });
  await pass(10);
  const late = open();
  const values: Record<string, unknown> = {};
  late.page.run(() =>
    late.push.subscribe(
      "s",
      { state: ({ changes }) => changes.map(({ key, data }) => Object.assign(values, { [key]: data })) },
      { kind: "state", since },
    ),
  );
  const other = open().map("s");
  await pass(100);
  server.set("s", "k", 2);
  server.set("s", "l", 3);
  socket?.say({ type: "state", topic: "s", changes: [{ key: "l", version: 3, data: 3 }], at: server.topic("s").at(3) });
  await pass(1_000);
  if (socket) socket.quiet = false;
  expect(values).toEqual({ k: 2, l: 3 });
  for (const copy of [first, other]) expect(Object.fromEntries(copy)).toEqual({ k: 2, l: 3 });
  const { polls } = server;
  server.set("s", "l", 4);
  await pass(100);
  expect([values.l, first.get("l"), other.get("l"), other.version("l"), server.polls - polls]).toEqual([
    4,
    4,
    4,
    first.version("l"),
    0,
  ]);
});

test("a state that goes on where the leader is has the versions of its epoch", async () => {
  const { server } = world;
  server.states.add("s");
  server.set("s", "k", 1);
  const first = open().map("s");
  await pass(100);
  server.set("s", "k", 2);
  await pass(100);
  const { polls } = server;
  const late = open();
  const epochs: unknown[] = [];
  const how: SubscribeOptions = { kind: "state", since: server.topic("s").cursor() };
  late.page.run(() => late.push.subscribe("s", { state: ({ epoch }) => void epochs.push(epoch) }, how));
  await pass(100);
  expect([`${epochs}-2`, server.polls]).toEqual([first.version("k"), polls]);
});

test("what gets lost between tabs is noticed", async () => {
  const { browser } = world;
  const followed = numbers(1, 3).map(() => open().follow("a"));
  await pass(100);
  publish(3);
  await pass(100);
  browser.loses((message) => Object.hasOwn(message as object, "steps"));
  publish(3);
  await pass(100);
  browser.loses(() => false);
  publish(3);
  await pass(1_000);
  for (const { got } of followed) expect(got).toEqual(numbers(1, 9));
});

test("after a gap each tab begins as it has asked", async () => {
  const { server } = world;
  publish(5);
  const asked = {
    now: open().follow("a"),
    recent: open().follow("a", { recent: 2 }),
    load: open().follow("a", { load: async () => server.topic("a").cursor() }),
  };
  await pass(300);
  server.away = true;
  for (const socket of server.sockets) socket.end();
  publish(5);
  server.topic("a").trimmed = 9;
  server.away = false;
  await pass(20_000);
  publish();
  await pass(1_000);
  expect(asked.now.got).toEqual(["gap trimmed", 11]);
  expect(asked.recent.got).toEqual([4, 5, "gap trimmed", 10, 11]);
  expect(asked.load.got).toEqual(["gap trimmed", 11]);
});

test("sends are answered to the tab that has sent", async () => {
  const [one, other] = [open(), open()];
  await pass(10);
  const sent = [one, other].map(({ push, page }, i) =>
    page.run(() => push.send("a", { from: i }, { event: "e", id: `${i}` })),
  );
  expect([one.push.pending, other.push.pending]).toEqual([1, 1]);
  await pass(100);
  expect(await Promise.all(sent)).toEqual([{ from: 0 }, { from: 1 }]);
  expect(world.server.sends).toEqual(
    [0, 1].map((i) => ({ topic: "a", event: "e", message: `${i}`, data: { from: i } })),
  );
  const bytes = other.page.run(() => other.push.send("a", new Uint8Array([0, 255])));
  world.server.reply = ({ data, encoding }) => ({ type: "reply", data, encoding });
  await pass(100);
  expect(await bytes).toEqual(new Uint8Array([0, 255]));
  world.server.reply = () => ({ type: "error", code: "forbidden", reason: "no", retry: "never" });
  const refused = other.page.run(() => other.push.send("a", "x", { id: "y" }));
  refused.catch(() => {});
  await pass(100);
  await expect(refused).rejects.toMatchObject({ code: "forbidden", message: "no", retry: "never", id: "y" });
});

for (const [name, leave] of Object.entries({
  closes: (page: Page) => page.close(),
  crashes: (page: Page) => page.crash(),
}))
  test(`what was sent is unknown when the leader ${name} before the answer`, async () => {
    const leader = open();
    leader.follow("a");
    await pass(100);
    const other = open();
    world.server.reply = () => undefined;
    const sent = other.page.run(() => other.push.send("a", "x", { id: "y", timeout: 60_000 }));
    sent.catch(() => {});
    await pass(100);
    await leave(leader.page);
    await pass(100);
    await expect(sent).rejects.toMatchObject({ code: "unknown", id: "y" });
    world.server.reply = ({ data }) => ({ type: "reply", data });
    const again = other.page.run(() => other.push.send("a", "x", { id: "y" }));
    await pass(100);
    expect([await again, world.server.sends.length]).toEqual(["x", 2]);
  });

test("what nobody waits for any more is not sent later", async () => {
  const { server } = world;
  const [leader, other] = [world.open({ transports: ["websocket"] }), open()];
  leader.follow("a");
  other.follow("a");
  await pass(100);
  server.away = true;
  for (const socket of server.sockets) socket.end();
  const stop = new AbortController();
  const sent = other.page.run(() => [
    other.push.send("a", 1, { timeout: 1_000 }),
    other.push.send("a", 2, { signal: stop.signal }),
    other.push.send("a", 3, { timeout: 120_000 }),
  ]);
  for (const one of sent) one.catch(() => {});
  await pass(500);
  stop.abort();
  await pass(1_000);
  expect(other.push.pending).toBe(1);
  server.away = false;
  await pass(60_000);
  expect(server.sends.map(({ data }) => data)).toEqual([3]);
});

test("a topic that is refused, for good or for now", async () => {
  const { server } = world;
  const refusal = { code: "forbidden", reason: "no", retry: "never" };
  server.refused.set("a", refusal);
  server.refused.set("b", { ...refusal, code: "unavailable", retry: "later" });
  const tabs = [open(), open()];
  const asked = tabs.map((tab) => ["a", "b", "c"].map((topic) => tab.follow(topic)));
  for (const [a, b] of asked) for (const one of [a, b]) one?.sub.ready.catch(() => {});
  await pass(1_000);
  for (const [a, b, c] of asked) {
    await expect(a?.sub.ready).rejects.toMatchObject(refusal.code ? { code: "forbidden" } : {});
    expect([a?.got, [...new Set(b?.got)]]).toEqual([["error forbidden"], ["error unavailable"]]);
    await expect(c?.sub.ready).resolves.toEqual({ resumed: false });
  }
  server.refused.clear();
  await pass(60_000);
  publish(1, "b");
  publish(1, "c");
  await pass(100);
  for (const [, b, c] of asked) expect([b?.got.at(-1), c?.got]).toEqual([1, [1]]);
  // A right that is lost.
  server.refused.set("c", refusal);
  for (const socket of server.sockets) socket.end(1012);
  await pass(5_000);
  for (const [, , c] of asked) expect(c?.got).toEqual([1, "error forbidden"]);
  publish(1, "b");
  await pass(100);
  for (const [, b] of asked) expect(b?.got.slice(-2)).toEqual([1, 2]);
});

test("a topic that there was no room for is followed when another tab has left one", async () => {
  const { server } = world;
  const [one, other] = [open(), open()];
  const left = one.follow("a");
  await pass(100);
  server.refused.set("b", { code: "limit_reached", reason: "too many topics", retry: "later" });
  const crowded = other.follow("b");
  const beside = other.follow("c");
  await pass(1_000);
  expect(crowded.got).toEqual(["error limit_reached"]);
  server.refused.clear();
  left.sub();
  await pass(1_000);
  publish(2, "b");
  publish(2, "c");
  await pass(100);
  expect([crowded.got, beside.got]).toEqual([
    ["error limit_reached", 1, 2],
    [1, 2],
  ]);
});

test("a tab that can't catch up is told, and its other topics go on", async () => {
  const { server } = world;
  const first = open().follow("a");
  await pass(100);
  publish(3);
  await pass(100);
  server.noPolls = { code: "bad_request", reason: "no polls here", retry: "never" };
  const late = open();
  const [a, b] = [late.follow("a", { recent: 2 }), late.follow("b")];
  await pass(1_000);
  publish(2);
  publish(2, "b");
  await pass(100);
  await expect(a.sub.ready).rejects.toMatchObject({ code: "bad_request", message: "no polls here" });
  expect([first.got, a.got, b.got]).toEqual([numbers(1, 5), ["error bad_request"], [1, 2]]);
});

test("a topic is of one kind", async () => {
  const log = open().follow("a");
  await pass(100);
  const errors: string[] = [];
  const tab = open();
  tab.page.run(() => tab.push.subscribe("a", { error: ({ code }) => void errors.push(code) }, { kind: "state" }));
  await pass(100);
  expect(errors).toEqual(["wrong_kind"]);
  publish();
  await pass(100);
  expect(log.got).toEqual([1]);
});

test("a topic is left when no tab follows it; one of a tab that crashed after a while", async () => {
  const { server } = world;
  const leader = open();
  leader.follow("b");
  await pass(100);
  const [one, other] = [open(), open()];
  const first = one.follow("a");
  other.follow("a");
  await pass(100);
  const [socket] = server.sockets;
  const followed = (): string[] => [...(socket?.followed.keys() ?? [])];
  expect(followed()).toEqual(["b", "a"]);
  first.sub();
  await pass(100);
  expect(followed()).toEqual(["b", "a"]);
  other.page.crash();
  await pass(100_000);
  expect(followed()).toEqual(["b", "a"]);
  await pass(100_000);
  expect(followed()).toEqual(["b"]);
});

test("the status is the leader's", async () => {
  const { server } = world;
  const tabs = [open(), open()];
  for (const tab of tabs) tab.follow("a");
  await pass(100);
  server.away = true;
  for (const socket of server.sockets) socket.end(1013);
  await pass(100);
  for (const { states, push } of tabs) {
    expect(states.at(-1)).toBe(push.status);
    expect(push.status).toMatchObject({
      state: "waiting",
      error: { name: "PushError", code: "unavailable", retry: "later" },
    });
    expect(push.status.error).toBeInstanceOf(PushError);
  }
  server.away = false;
  const [, second] = tabs;
  second?.page.run(() => second.push.reconnect());
  await pass(20);
  for (const { push } of tabs)
    expect(push.status).toMatchObject({ state: "online", transport: "websocket", session: "s" });
});

test("what ends the connection for good ends it for all tabs, until one opens it again", async () => {
  const { server } = world;
  const tabs = [open(), open()];
  const followed = tabs.map((tab) => tab.follow("a"));
  await pass(100);
  publish();
  await pass(100);
  for (const socket of server.sockets) {
    socket.say({ type: "error", code: "unauthenticated", reason: "who?", retry: "never" });
    await pass(10);
    socket.end(4401);
  }
  await pass(100);
  for (const { push } of tabs)
    expect(push.status).toMatchObject({ state: "closed", error: { code: "unauthenticated", message: "who?" } });
  expect(server.sockets.size).toBe(0);
  publish();
  for (const { page, push } of tabs) page.run(() => push.reconnect());
  await pass(1_000);
  for (const { got } of followed) expect(got).toEqual([1, 2]);
});

test("tabs of other names have other connections, and those that don't share", async () => {
  const { server } = world;
  for (const options of [{}, { name: "x" }, { name: "x" }, { share: false }, { share: false }])
    world.open(options).follow("a");
  await pass(100);
  expect(server.handshakes).toBe(4);
});

test("where the page has no locks each tab has its own connection", async () => {
  vi.stubGlobal("navigator", {});
  const followed = [open().follow("a"), open().follow("a")];
  await pass(100);
  publish();
  await pass(100);
  expect([world.server.handshakes, ...followed.map(({ got }) => got)]).toEqual([2, [1], [1]]);
});

test("where locks can't be had the tabs get all the same", async () => {
  world.browser.locks.refuses = true;
  const followed = [open().follow("a"), open().follow("a")];
  await pass(100);
  publish(3);
  await pass(100);
  for (const { got } of followed) expect(got).toEqual([1, 2, 3]);
});

test("nothing is opened before it is needed, and nothing after it is closed", async () => {
  const { server } = world;
  const stop = new AbortController();
  const tab = world.open({ signal: stop.signal });
  await pass(60_000);
  expect([server.handshakes, tab.push.status.state]).toEqual([0, "idle"]);
  const { sub } = tab.follow("a");
  await pass(100);
  expect(await sub.ready).toEqual({ resumed: false });
  tab.page.run(() => stop.abort());
  expect(tab.states.map(({ state }) => state)).toEqual(["idle", "connecting", "online", "closed"]);
  await expect(tab.page.run(() => tab.push.send("a", 1))).rejects.toMatchObject({ code: "closed" });
  await pass(100);
  expect(server.sockets.size).toBe(0);
});
