import { expect, test } from "vitest";
import { cursorAt } from "./cursors.ts";
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

test("if both fail they take turns, with backoff", async () => {
  const { push, server } = client();
  push.subscribe("a", () => {});
  const waits: number[] = [];
  const wait = async (): Promise<void> => {
    waits.push((push.status.retryAt ?? 0) - Date.now());
    await pass(waits.at(-1) as number);
  };
  for (let i = 1; i <= 3; i++) {
    expect([FakeSocket.all.length, server.requests.length]).toEqual([i, i - 1]);
    FakeSocket.last.end(1006);
    await wait();
    expect([FakeSocket.all.length, server.requests.length]).toEqual([i, i]);
    server.last().fail();
    await settle();
    await wait();
  }
  expect(waits).toEqual([250, 1000, 1500, 2500, 4500, 8500]);
});

test("the WebSocket is tried again beside the stream, and takes over without a break", async () => {
  const { push, server, got, names } = await fallenBack();
  server.last().say(messageAt(1));
  await pass(4700);
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
