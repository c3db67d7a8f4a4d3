// The wrapper that docs/authentication.md shows, as it stands there.
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { fakeFetch } from "./fakefetch.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

const guide = readFileSync(new URL("../../docs/authentication.md", import.meta.url), "utf8");
const [, source] = /^(const ticketed = .*?^ {2}\};)$/ms.exec(guide) as unknown as [string, string];

/** A client that gets tickets for its WebSockets. */
function ticketed() {
  const tickets = fakeFetch();
  const { type } = FakeSocket;
  const make = new Function("fetch", "WebSocket", `${source} return ticketed`)(tickets.fetch, type);
  const headers = vi.fn(async () => ({ Authorization: "Bearer t" }));
  const made = client({ transports: ["websocket"], WebSocket: make(headers) as typeof WebSocket });
  return { ...made, tickets, headers };
}

test("each WebSocket has a ticket of its own", async () => {
  const { push, tickets, headers } = ticketed();
  const { handlers, got } = notes();
  push.subscribe("a", handlers);
  for (const ticket of ["t1", "t2"]) {
    await settle();
    expect(tickets.last().url.href).toBe("https://example.com/push/ticket");
    expect(tickets.last().init).toEqual({ method: "POST", headers: { Authorization: "Bearer t" } });
    tickets.last().json(200, { ticket, expires: 30 });
    await settle();
    expect(FakeSocket.last.url).toBe(`wss://example.com/push/ws?ticket=${ticket}`);
    expect(FakeSocket.last.protocol).toBe("tidewire.v1");
    FakeSocket.last.welcome();
    await settle();
    FakeSocket.last.subscribed();
    expect(push.status).toMatchObject({ state: "online", transport: "websocket" });
    FakeSocket.last.say(messageAt(ticket === "t1" ? 1 : 2));
    FakeSocket.last.end(1006);
    await pass(2000);
  }
  expect(got).toEqual(["a:1", "a:2"]);
  expect([tickets.requests.length, FakeSocket.all.length, headers.mock.calls.length]).toEqual([3, 2, 3]);
  tickets.last().fail();
});

test("who gets no ticket is told why", async () => {
  const { push, tickets } = ticketed();
  await settle();
  tickets.last().json(401, { code: "unauthenticated", reason: "not authenticated", retry: "never" });
  await settle();
  expect(push.status).toMatchObject({ state: "closed", error: { code: "unauthenticated", retry: "never" } });
  expect(FakeSocket.all).toHaveLength(0);
});

for (const [how, answer] of [
  ["fails", (tickets) => tickets.last().fail()],
  ["is answered with 503", (tickets) => tickets.last().json(503, { code: "draining", retry: "later" })],
  ["is answered with a page", (tickets) => tickets.last().respond("<html>", { status: 502 })],
] as [string, (tickets: ReturnType<typeof fakeFetch>) => void][])
  test(`a request for a ticket that ${how} is made again`, async () => {
    const { push, tickets } = ticketed();
    await settle();
    answer(tickets);
    await settle();
    expect(push.status.state).toBe("waiting");
    await pass(5000);
    expect(tickets.requests.length).toBeGreaterThan(1);
    tickets.last().json(200, { ticket: "t" });
    await settle();
    FakeSocket.last.welcome();
    expect(push.status.state).toBe("online");
  });

test("a client that closes while its ticket is on the way opens nothing", async () => {
  const { push, tickets } = ticketed();
  await settle();
  push.close();
  tickets.last().json(200, { ticket: "t" });
  await settle();
  expect(FakeSocket.all).toHaveLength(0);
});
