import { expect, test, vi } from "vitest";
import { cursorAt } from "./cursors.ts";
import type { FakeRequest } from "./fakefetch.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onSocket, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

const routes = (requests: { url: URL }[]): string[] => requests.map(({ url }) => url.pathname.replace("/push/", ""));

/** A client that follows "a" and had to fall back. */
async function fallenBack() {
  const made = client();
  const noted = notes();
  made.push.subscribe("a", noted.handlers);
  FakeSocket.last.end(1006);
  await pass(500);
  made.server.last().welcome({ a: cursorAt(0) });
  await settle();
  return { ...made, ...noted };
}

test("a handshake that is refused leads to the event stream at once", async () => {
  const { push, server, got } = await fallenBack();
  expect(push.status.transport).toBe("sse");
  server.last().say(messageAt(1));
  await settle();
  expect(got).toEqual(["a:1"]);
});

test("where a WebSocket works nothing else is asked for", async () => {
  const { server } = await onSocket();
  for (let s = 0; s < 600; s += 20) {
    await pass(20_000);
    FakeSocket.last.say({ type: "ping" });
  }
  expect([FakeSocket.all.length, server.requests.length]).toEqual([1, 0]);
});

test("a socket always has a listener for its error: at first, as a trial, and after it was closed", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  FakeSocket.last.fail();
  expect(push.status).toMatchObject({ state: "waiting", error: { code: "transport_failed" } });
  await pass(500);
  server.last().welcome({ a: cursorAt(0) });
  await pass(5010);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.fail();
  expect(push.status).toMatchObject({ state: "online", transport: "sse" });
  push.close();
  for (const socket of FakeSocket.all) socket.fail();
  expect(push.status).toMatchObject({ state: "closed", error: { code: "closed" } });
});

test("one that hangs has the event stream beside it after 3 s, and the first one that is welcomed serves", async () => {
  for (const winner of ["websocket", "sse"]) {
    const { push, server } = client();
    const { got, handlers } = notes();
    push.subscribe("a", handlers);
    await pass(2_999);
    expect(server.requests).toHaveLength(0);
    await pass(1);
    const [socket, stream] = [FakeSocket.last, server.last()];
    expect([stream.url.pathname, socket.closed]).toEqual(["/push/sse", false]);
    if (winner === "sse") {
      stream.welcome();
      stream.say(messageAt(1));
    } else {
      socket.welcome();
      await settle();
      socket.subscribed();
      socket.say(messageAt(1));
    }
    await settle();
    expect([push.status.transport, socket.closed, stream.aborted]).toEqual([
      winner,
      winner === "sse",
      winner !== "sse",
    ]);
    expect(got).toEqual(["a:1"]);
    push.close();
  }
});

test("if all hang, the attempt ends with the last one's timeout", async () => {
  const { push, server, states } = client();
  push.subscribe("a", () => {});
  await pass(6_000);
  expect(routes(server.requests)).toEqual(["sse", "poll"]);
  await pass(9_999);
  expect(push.status.state).toBe("connecting");
  await pass(1);
  expect(states.at(-1)).toMatchObject({ state: "waiting", error: { code: "transport_timeout" } });
  expect([FakeSocket.last.closed, ...server.requests.map(({ aborted }) => aborted)]).toEqual([true, true, true]);
});

test("one that opens and dies early, at the second time", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  for (let i = 1; i <= 2; i++) {
    expect([FakeSocket.all.length, server.requests.length]).toEqual([i, 0]);
    FakeSocket.last.welcome();
    await pass(1000);
    FakeSocket.last.end(1006);
    await pass(1000);
  }
  expect([FakeSocket.all.length, server.requests.length]).toEqual([2, 1]);
});

for (const code of [1011, 1012, 1013]) {
  test(`close code ${code} is no fault of the transport`, async () => {
    const { push, server } = client();
    push.subscribe("a", () => {});
    for (let i = 0; i < 5; i++) {
      FakeSocket.last.end(code);
      await pass((push.status.retryAt ?? 0) - Date.now());
    }
    expect([FakeSocket.all.length, server.requests.length]).toEqual([6, 0]);
  });
}

test("nor is an error that the server tells of", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  for (let i = 0; i < 5; i++) {
    FakeSocket.last.say({ type: "error", code: "limit_reached", reason: "r", retry: "later" });
    FakeSocket.last.end(1006);
    await pass((push.status.retryAt ?? 0) - Date.now());
  }
  expect(FakeSocket.all).toHaveLength(6);
  expect(server.requests).toHaveLength(0);
});

test("the messages go on where they were", async () => {
  const { got, server } = await onSocket();
  FakeSocket.last.say(messageAt(1));
  for (const wait of [500, 2_000, 2_000]) {
    FakeSocket.last.end(1006);
    await pass(wait);
  }
  expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
  server.last().welcome({ a: cursorAt(1) });
  await settle();
  server.last().say(messageAt(2));
  await settle();
  expect(got).toEqual(["a:1", "a:2"]);
});

test("if all fail they take turns, with backoff", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  const waits: number[] = [];
  const wait = async (): Promise<void> => {
    waits.push((push.status.retryAt ?? 0) - Date.now());
    await pass(waits.at(-1) as number);
  };
  for (let round = 1; round <= 3; round++) {
    expect(FakeSocket.all).toHaveLength(round);
    FakeSocket.last.end(1006);
    await wait();
    for (const route of ["sse", "poll"]) {
      expect(routes(server.requests.slice(-1))).toEqual([route]);
      server.last().fail();
      await settle();
      await wait();
    }
  }
  expect(waits.slice(0, 6)).toEqual([250, 1000, 1500, 2500, 4500, 8500]);
});

for (const [how, begin] of [
  ["is never answered", () => {}],
  ["begins and brings nothing", (request) => request.open()],
] as [string, (request: FakeRequest) => void][])
  test(`an event stream that ${how} has polls beside it after 3 s`, async () => {
    const { push, server } = client();
    const { got, handlers } = notes();
    push.subscribe("a", handlers, { since: cursorAt(1) });
    FakeSocket.last.end(1006);
    await pass(250);
    const stream = server.last();
    begin(stream);
    await pass(2_999);
    expect([routes(server.requests), stream.aborted]).toEqual([["sse"], false]);
    await pass(1);
    expect([routes(server.requests), stream.aborted]).toEqual([["sse", "poll"], false]);
    expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
    server.last().answer(cursorAt(2), [messageAt(2)]);
    await settle();
    expect([got, stream.aborted]).toEqual([["a:2"], true]);
    expect(push.status).toMatchObject({ state: "online", transport: "poll" });
  });

test("once a WebSocket has worked the server is given time, and failures lead to polls no more", async () => {
  const { push, server } = await onSocket();
  await pass(6000);
  FakeSocket.last.end(1006); // the server is away
  for (let attempt = 0; attempt < 12; attempt++) {
    await pass((push.status.retryAt ?? 0) - Date.now());
    if (FakeSocket.last.closed) server.last().fail();
    else {
      FakeSocket.last.end(1006);
      FakeSocket.last.close();
    }
    await settle();
  }
  expect(FakeSocket.all).toHaveLength(1 + 9);
  expect(routes(server.requests)).toEqual(Array(3).fill("sse"));
});

test("without an event stream polls follow the WebSocket", async () => {
  const { push, server } = client({ transports: ["websocket", "poll"] });
  push.subscribe("a", () => {});
  FakeSocket.last.end(1006);
  await pass(1000);
  expect(routes(server.requests)).toEqual(["poll"]);
});

/** A client that follows "a" by polls, because WebSockets are refused and event streams hang. */
async function polling() {
  const made = client();
  const noted = notes();
  made.push.subscribe("a", noted.handlers);
  FakeSocket.last.end(1006);
  await pass(3500);
  made.server.last().answer(cursorAt(0));
  await pass(200);
  return { ...made, ...noted };
}

test("beside polls first the WebSocket is tried again, then the event stream, then neither for a while", async () => {
  const { push, server } = await polling();
  expect([FakeSocket.all.length, routes(server.requests)]).toEqual([1, ["sse", "poll", "poll"]]);
  await pass(5000);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.end(1006);
  const stream = server.last();
  expect(routes(server.requests.slice(3))).toEqual(["sse"]);
  await pass(9_900);
  expect(stream.aborted).toBe(false);
  await pass(200);
  expect(stream.aborted).toBe(true);
  for (let s = 0; s < 300; s += 10) {
    expect(FakeSocket.all).toHaveLength(2);
    server.requests.findLast(({ url }) => url.pathname === "/push/poll")?.answer(cursorAt(0));
    await pass(10_000);
  }
  expect(FakeSocket.all).toHaveLength(3);
  expect(push.status).toMatchObject({ state: "online", transport: "poll" });
});

test("an event stream that gets through takes over from polls without a break", async () => {
  const { push, server, got, names } = await polling();
  server.last().answer(cursorAt(1), [messageAt(1)]);
  await pass(5000);
  FakeSocket.last.end(1006);
  const [polled, trial] = server.requests.slice(-2) as [FakeRequest, FakeRequest];
  expect([trial.url.pathname, trial.topics]).toEqual(["/push/sse", ["a"]]);
  trial.welcome();
  trial.say(messageAt(2)); // it will come again, when the trial is over
  await pass(3_900);
  expect([polled.aborted, trial.aborted, got]).toEqual([false, false, ["a:1"]]);
  await pass(200);
  expect([polled.aborted, trial.aborted]).toEqual([true, true]);
  expect([server.last().url.pathname, server.last().url.searchParams.get("since")]).toEqual(["/push/sse", cursorAt(1)]);
  server.last().welcome({ a: cursorAt(1) });
  await settle();
  server.last().say(messageAt(2));
  await settle();
  expect(got).toEqual(["a:1", "a:2"]);
  expect([push.status.transport, names().slice(-2)]).toEqual(["sse", ["online", "online"]]);
});

test("so does a WebSocket", async () => {
  const { push, server } = await polling();
  await pass(5000);
  FakeSocket.last.welcome();
  FakeSocket.last.welcome();
  await pass(4_010);
  expect([push.status.transport, server.last().aborted]).toEqual(["websocket", true]);
});

test("the WebSocket is tried again beside the stream, and takes over without a break", async () => {
  const { push, server, got, names } = await fallenBack();
  server.last().say(messageAt(1));
  await pass(4900);
  expect(FakeSocket.all).toHaveLength(1);
  await pass(100);
  expect(FakeSocket.all).toHaveLength(2);
  FakeSocket.last.end(1006); // still blocked
  server.last().say(messageAt(2));
  for (let s = 0; s < 300; s += 10) {
    await pass(10_000);
    server.last().write(": \n");
  }
  expect(FakeSocket.all).toHaveLength(3);
  const trial = FakeSocket.last;
  server.last().say(messageAt(3));
  await settle();
  expect([server.last().aborted, trial.said]).toEqual([false, []]);
  trial.welcome();
  expect(trial.said).toEqual([{ type: "ping" }]); // without a word the server would end it
  trial.say({ type: "ping" });
  expect(trial.of("pong")).toHaveLength(1);
  await pass(3_900);
  expect([server.last().aborted, push.status.transport]).toEqual([false, "sse"]);
  server.last().say(messageAt(4));
  await pass(200);
  expect([server.last().aborted, trial.closed, FakeSocket.all.length]).toEqual([true, false, 3]);
  expect(trial.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(4) }]);
  trial.subscribed();
  trial.say(messageAt(5));
  expect(got).toEqual(["a:1", "a:2", "a:3", "a:4", "a:5"]);
  expect(push.status.transport).toBe("websocket");
  expect(names().slice(-3)).toEqual(["connecting", "online", "online"]);
});

test("a WebSocket that is killed soon after its welcome disturbs nothing, and is tried less and less often", async () => {
  const { server, push, got } = await fallenBack();
  const begun = Date.now();
  const tried: number[] = [];
  for (let s = 0, seen = 1; s < 2_000; s++) {
    await pass(1_000);
    if (s % 10 === 0) server.last().say(messageAt(s / 10 + 1));
    if (FakeSocket.all.length === seen) continue;
    seen++;
    tried.push(Math.round((Date.now() - begun) / 1_000));
    FakeSocket.last.welcome();
    await pass(200);
    FakeSocket.last.end(1006);
  }
  expect(tried.map((at, i) => at - (tried[i - 1] ?? 0))).toEqual([5, 300, 600]);
  expect([server.requests.length, push.status.transport, got.length]).toEqual([1, "sse", 200]);
});

test("a tab begins with what served last, for as long as the others are not to be tried again", async () => {
  const stored = new Map<string, string>();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  });
  (await fallenBack()).push.close();
  expect(stored.size).toBe(0); // it has not proved itself
  const { push } = await fallenBack();
  await pass(4_100);
  push.close();
  expect(stored.size).toBe(1);

  const again = client();
  again.push.close();
  const { push: later, server } = client({ WebSocket: FakeSocket.type });
  later.subscribe("a", () => {});
  await settle();
  expect([FakeSocket.all.length, routes(server.requests)]).toEqual([0, ["sse"]]);
  server.last().welcome();
  for (let s = 0; s < 290; s += 10) {
    await pass(10_000);
    server.last().write(": \n");
  }
  expect(FakeSocket.all).toHaveLength(0);
  await pass(20_000);
  expect(FakeSocket.all).toHaveLength(1);
  FakeSocket.last.welcome();
  await pass(10_000);
  expect([later.status.transport, stored.size]).toEqual(["websocket", 0]);
  later.close();

  await pass(1_000);
  stored.set(
    [...stored.keys()][0] ?? "tidewire https://example.com/push",
    JSON.stringify({ transport: "sse", until: Date.now() - 1 }),
  );
  client();
  expect(FakeSocket.all).toHaveLength(1); // what is remembered has expired
});

test("a trial that the server refuses changes nothing", async () => {
  const { push } = await fallenBack();
  await pass(5010);
  FakeSocket.last.say({ type: "error", code: "limit_reached", reason: "r", retry: "later" });
  FakeSocket.last.end(4431);
  await settle();
  expect(push.status).toMatchObject({ state: "online", transport: "sse" });
});

test("probe: Infinity leaves it at the first trial", async () => {
  const { push, server } = client({ probe: Number.POSITIVE_INFINITY });
  push.subscribe("a", () => {});
  FakeSocket.last.end(1006);
  await pass(500);
  server.last().welcome();
  for (let s = 0; s < 600; s += 10) {
    await pass(10_000);
    server.last().write(": \n");
  }
  expect(FakeSocket.all).toHaveLength(2);
});

test("a trial that is answered after the client was closed opens nothing", async () => {
  const { push } = await fallenBack();
  await pass(5010);
  const trial = FakeSocket.last;
  push.close();
  trial.welcome();
  await pass(1000);
  expect([FakeSocket.all.length, push.status.state]).toEqual([2, "closed"]);
});

test("close ends the trial, too", async () => {
  const { push } = await fallenBack();
  await pass(5010);
  push.close();
  expect(FakeSocket.last.closed).toBe(true);
});
