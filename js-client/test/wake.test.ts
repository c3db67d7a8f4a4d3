import { expect, test, vi } from "vitest";
import { FakeSocket } from "./fakesocket.ts";
import { client, onPoll, onSocket, onStream, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const ws = { transports: ["websocket"] } as const;

/** A page to put to sleep and to wake. */
function page() {
  const target = new EventTarget();
  vi.stubGlobal("addEventListener", target.addEventListener.bind(target));
  const document = { hidden: false, baseURI: "https://example.com/" };
  vi.stubGlobal("document", document);
  return (type: string, persisted = true) => target.dispatchEvent(Object.assign(new Event(type), { persisted }));
}

test("a stream is opened again in another network, and when it has been silent for too long; not when it is just shown", async () => {
  const fire = page();
  for (const on of [onStream, onPoll]) {
    const { server, push } = await on();
    const { length } = server.requests;
    fire("visibilitychange");
    fire("pageshow", false);
    await settle();
    expect(server.requests).toHaveLength(length);
    fire("online");
    await settle();
    expect([server.requests.length, server.requests[length - 1]?.aborted]).toEqual([length + 1, true]);
    push.close();
  }
});

test("a stream whose heartbeat is late is opened anew when the page is shown", async () => {
  const fire = page();
  const { server } = await onStream();
  await pass(16_000);
  fire("visibilitychange");
  await settle();
  expect(server.requests).toHaveLength(2);
});

test("a delay that the server has named is kept, whatever happens to the page", async () => {
  const fire = page();
  await onSocket(ws);
  await pass(6_000);
  FakeSocket.last.end(1012, "60000");
  for (let i = 0; i < 20; i++) {
    await pass(2_000);
    fire("visibilitychange");
    fire("online");
  }
  expect(FakeSocket.all).toHaveLength(1);
  await pass(20_000);
  expect(FakeSocket.all).toHaveLength(2);
});

test("without one the wait ends, but not again and again", async () => {
  const fire = page();
  client(ws);
  for (let ms = 0; ms < 10_000; ms += 100) {
    FakeSocket.last.end(1006);
    await pass(100);
    fire("visibilitychange");
  }
  expect(FakeSocket.all.length).toBeLessThanOrEqual(11);
});

test("an attempt that hangs on a dead path is made anew in another network", async () => {
  const fire = page();
  client(ws);
  await pass(500);
  fire("online");
  expect(FakeSocket.all).toHaveLength(1);
  await pass(600);
  fire("visibilitychange");
  expect(FakeSocket.all).toHaveLength(1);
  fire("online");
  expect([FakeSocket.all.length, FakeSocket.all[0]?.closed]).toEqual([2, true]);
});

test("a clock that is set back changes nothing", async () => {
  const { states } = await onSocket(ws);
  vi.setSystemTime(Date.now() - 3_600_000);
  await pass(5_000);
  FakeSocket.last.end(1006);
  expect((states.at(-1)?.retryAt ?? 0) - Date.now()).toBe(250);
  await pass(250);
  expect(FakeSocket.all).toHaveLength(2);
});

for (const heartbeat of [-1, 0, 1e15, null, "x", {}])
  test(`a heartbeat of ${heartbeat} is none that ends the link at once, or never`, async () => {
    const { push } = client(ws);
    FakeSocket.last.say({ type: "welcome", heartbeat, topics: [] });
    await pass(10_000);
    expect(push.status.state).toBe("online");
    await pass(700_000);
    expect(FakeSocket.all.length).toBeGreaterThan(1);
  });

test("no timer is longer than timers can be", async () => {
  const { states } = client({ ...ws, connectTimeout: Number.POSITIVE_INFINITY });
  await pass(3_600_000);
  expect(states.map(({ state }) => state)).toEqual(["connecting"]);
});

test("a frame of 10 MB ends a WebSocket, as it ends a stream", async () => {
  const { push } = await onSocket(ws);
  FakeSocket.last.say(`"${"x".repeat(1e7)}"`);
  expect(push.status).toMatchObject({ state: "waiting", error: { code: "protocol_violation" } });
});

test("latency is the time of the first answer", async () => {
  const { push } = client(ws);
  FakeSocket.last.welcome();
  await pass(42);
  expect(push.status.latency).toBeUndefined();
  FakeSocket.last.say({ type: "pong" });
  expect(push.status).toMatchObject({ state: "online", latency: 42 });
});
