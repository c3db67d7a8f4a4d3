import { expect, test } from "vitest";
import { cursorAt } from "./cursors.ts";
import { FakeSocket } from "./fakesocket.ts";
import { onPoll, onSocket, onStream, pass, settle, virtualTime } from "./setup.ts";

// What is between the page and the server cuts a connection that has been silent for a while, in both directions.

virtualTime();
const ws = { transports: ["websocket"] } as const;

/** Lets time pass with a server that answers, and pings every so often, behind a proxy that cuts what has been silent for so long. */
async function behind(cutAfter: number, ms: number, often = Number.POSITIVE_INFINITY): Promise<void> {
  const end = performance.now() + ms;
  let last = performance.now();
  let served = FakeSocket.last;
  let said = served.said.length;
  for (let i = 1; performance.now() < end; i++) {
    await pass(50);
    const socket = FakeSocket.last;
    if (socket !== served) {
      socket.welcome();
      await settle();
      socket.subscribed();
    }
    if (i * 50 >= often && (i * 50) % often === 0) socket.say({ type: "ping" });
    const fresh = socket.said.slice(socket === served ? said : 0);
    for (const { type } of fresh) if (type === "ping") socket.say({ type: "pong" });
    if (fresh[0]) last = performance.now();
    served = socket;
    said = socket.said.length;
    if (performance.now() - last < cutAfter) continue;
    last = performance.now();
    socket.end(1006);
  }
}

for (const cutAfter of [5_000, 20_000])
  test(`a WebSocket that is cut twice after ${cutAfter} ms of silence is pinged before that`, async () => {
    const { push } = await onSocket(ws);
    await behind(cutAfter, 600_000);
    expect(FakeSocket.all).toHaveLength(3);
    expect(push.status.state).toBe("online");
    const pings = FakeSocket.last.of("ping").length;
    expect(pings).toBeGreaterThan(500_000 / cutAfter);
    expect(pings).toBeLessThan(1_500_000 / cutAfter);
  });

test("a WebSocket that isn't silent isn't pinged", async () => {
  await onSocket(ws);
  await behind(5_000, 600_000, 1_000);
  expect(FakeSocket.last.of("ping")).toHaveLength(1);
});

test("cuts after other silences, or none, teach nothing", async () => {
  await onSocket(ws);
  for (const silence of [5_000, 9_000, 4_500, 1_000, 1_000, 12_000, 6_000]) {
    await pass(silence);
    FakeSocket.last.end(1006);
    await pass(5_000);
    FakeSocket.last.welcome();
  }
  await pass(30_000);
  expect(FakeSocket.last.of("ping")).toHaveLength(1);
});

test("what the server ends teaches nothing", async () => {
  await onSocket(ws);
  for (let i = 0; i < 4; i++) {
    await pass(5_000);
    FakeSocket.last.end(1012);
    await pass(60_000);
    FakeSocket.last.welcome();
  }
  await pass(30_000);
  expect(FakeSocket.last.of("ping")).toHaveLength(1);
});

test("a poll that is cut twice after the same silence asks for a sooner answer", async () => {
  const { server } = await onPoll();
  const waits: (string | null)[] = [];
  for (let i = 0; i < 3; i++) {
    await pass(5_000);
    const { url } = server.last();
    waits.push(new URL(url).searchParams.get("wait"));
    server.last().fail();
    await pass(2_000);
    server.last().answer(cursorAt(0));
    await pass(100);
  }
  expect(waits).toEqual([null, null, "3"]);
});

test("an event stream that is cut has no way to ask, and goes on each time", async () => {
  const { server, push } = await onStream();
  for (let i = 0; i < 5; i++) {
    await pass(5_000);
    server.last().end();
    await pass(1_000);
    server.last().welcome();
    await settle();
  }
  expect([push.status.state, server.requests.length]).toEqual(["online", 6]);
});
