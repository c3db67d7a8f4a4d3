import { expect, test } from "vitest";
import { cursorAt } from "./cursors.ts";
import type { FakeRequest } from "./fakefetch.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onSocket, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

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

test("one that hangs, after the connect timeout", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  await pass(9_999);
  expect(server.requests).toHaveLength(0);
  await pass(501);
  expect(server.requests).toHaveLength(1);
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
  FakeSocket.last.end(1006);
  await pass(1000);
  FakeSocket.last.end(1006);
  await pass(2000);
  expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
  server.last().welcome({ a: cursorAt(1) });
  await settle();
  server.last().say(messageAt(2));
  await settle();
  expect(got).toEqual(["a:1", "a:2"]);
});

const routes = (requests: { url: URL }[]): string[] => requests.map(({ url }) => url.pathname.replace("/push/", ""));

test("if all fail they take turns, with backoff, and polls when the event stream has failed twice", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  const waits: number[] = [];
  const wait = async (): Promise<void> => {
    waits.push((push.status.retryAt ?? 0) - Date.now());
    await pass(waits.at(-1) as number);
  };
  for (const [round, want] of [["sse"], ["sse", "poll"], ["sse", "poll"]].entries()) {
    expect(FakeSocket.all).toHaveLength(round + 1);
    FakeSocket.last.end(1006);
    await wait();
    for (const route of want) {
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
  test(`an event stream that ${how} leads to polls, after half of the connect timeout`, async () => {
    const { push, server } = client();
    const { got, handlers } = notes();
    push.subscribe("a", handlers, { since: cursorAt(1) });
    FakeSocket.last.end(1006);
    await pass(500);
    const stream = server.last();
    begin(stream);
    await pass(4500);
    expect([routes(server.requests), stream.aborted]).toEqual([["sse"], false]);
    await pass(1500);
    expect([routes(server.requests), stream.aborted]).toEqual([["sse", "poll"], true]);
    expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
    server.last().answer(cursorAt(2), [messageAt(2)]);
    await settle();
    expect(got).toEqual(["a:2"]);
    expect(push.status).toMatchObject({ state: "online", transport: "poll" });
  });

test("once a WebSocket has worked, failures lead to polls no more, but an event stream that hangs does", async () => {
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
  expect(routes(server.requests)).toEqual(Array(6).fill("sse"));
  await pass(20_000);
  FakeSocket.last.end(1006);
  await pass(50_000);
  expect(routes(server.requests).slice(6, 8)).toEqual(["sse", "poll"]);
});

test("without an event stream polls follow the WebSocket", async () => {
  const { push, server } = client({ transports: ["websocket", "poll"] });
  push.subscribe("a", () => {});
  for (let i = 1; i <= 2; i++) {
    expect([FakeSocket.all.length, server.requests.length]).toEqual([i, 0]);
    FakeSocket.last.end(1006);
    await pass(1000);
  }
  expect(routes(server.requests)).toEqual(["poll"]);
});

/** A client that follows "a" by polls, because WebSockets are refused and event streams hang. */
async function polling() {
  const made = client();
  const noted = notes();
  made.push.subscribe("a", noted.handlers);
  FakeSocket.last.end(1006);
  await pass(6500);
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
  trial.say(messageAt(2));
  await settle();
  expect([polled.aborted, trial.aborted, got]).toEqual([true, true, ["a:1"]]);
  expect(server.last().url.searchParams.get("since")).toBe(cursorAt(1));
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
  await settle();
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
  expect([server.last().aborted, trial.sent]).toEqual([false, []]);
  trial.welcome();
  await settle();
  expect([server.last().aborted, trial.closed]).toEqual([true, true]);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", since: cursorAt(3) }]);
  FakeSocket.last.subscribed();
  FakeSocket.last.say(messageAt(4));
  expect(got).toEqual(["a:1", "a:2", "a:3", "a:4"]);
  expect(push.status.transport).toBe("websocket");
  expect(names().slice(-3)).toEqual(["connecting", "online", "online"]);
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
