import { expect, test, vi } from "vitest";
import { PushError } from "../src/error.ts";
import type { TokenReason } from "../src/types.ts";
import { cursorAt } from "./cursors.ts";
import { FakeSocket, messageAt } from "./fakesocket.ts";
import { client, notes, onStream, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const unauthenticated = { code: "unauthenticated", reason: "expired", retry: "never" };

/** Gives t1, t2, …, and notes why it was asked. */
function tokens() {
  const reasons: TokenReason[] = [];
  const token = async (why: TokenReason): Promise<string> => `t${reasons.push(why)}`;
  return { reasons, token };
}
const bearer = ({ init }: { init: RequestInit }): unknown => (init.headers as Record<string, string>)?.Authorization;

test("a WebSocket gets a ticket for the token, for each connection another", async () => {
  const { token, reasons } = tokens();
  const { push, server } = client({ transports: ["websocket"], token });
  for (const round of [1, 2]) {
    await settle();
    expect([server.last().url.href, bearer(server.last())]).toEqual([
      "https://example.com/push/ticket",
      `Bearer t${round}`,
    ]);
    server.last().json(200, { ticket: `ticket${round}`, expires: 30 });
    await settle();
    expect(FakeSocket.last.url).toBe(`wss://example.com/push/ws?ticket=ticket${round}`);
    FakeSocket.last.welcome();
    expect(push.status).toMatchObject({ state: "online", transport: "websocket" });
    FakeSocket.last.end(1006);
    await pass(1000);
  }
  expect(reasons).toEqual(["connect", "connect", "connect"]);
  server.last().fail();
});

test("where no tickets are given the token goes with an event stream", async () => {
  const { token } = tokens();
  const { push, server } = client({ token });
  push.subscribe("a", () => {});
  await settle();
  server.last().json(404, { code: "bad_request", reason: "no tickets here", retry: "never" });
  await pass(1000);
  expect([FakeSocket.all.length, server.last().url.pathname, bearer(server.last())]).toEqual([
    0,
    "/push/sse",
    "Bearer t2",
  ]);
});

test("an empty token is none, also for a WebSocket", async () => {
  const { server } = client({ token: () => "" });
  await settle();
  expect([server.requests.length, FakeSocket.last.url]).toEqual([0, "wss://example.com/push/ws"]);
});

for (const [how, refuse] of [
  ["a close code", () => FakeSocket.last.end(4401)],
  ["a frame", () => [FakeSocket.last.say({ type: "error", ...unauthenticated }), FakeSocket.last.end(1006)]],
] as const)
  test(`a token that ${how} refuses is asked for again at once, but once`, async () => {
    const { token, reasons } = tokens();
    const { push, server } = client({ transports: ["websocket"], token });
    const open = async (): Promise<void> => {
      await settle();
      server.last().json(200, { ticket: "t" });
      await settle();
    };
    await open();
    FakeSocket.last.welcome();
    await pass(10_000);
    refuse();
    await open();
    expect(reasons).toEqual(["connect", "refused"]);
    FakeSocket.last.welcome();
    expect(push.status.state).toBe("online");
    refuse();
    await pass(60_000);
    expect(push.status).toMatchObject({ state: "closed", error: { code: "unauthenticated" } });
    expect(reasons).toHaveLength(2);
  });

for (const transport of ["sse", "poll"] as const)
  test(`so is one that is refused by status over ${transport}, and the messages go on`, async () => {
    const { token, reasons } = tokens();
    const { push, server } = client({ transports: [transport], token });
    const { got, handlers } = notes();
    push.subscribe("a", handlers, { since: cursorAt(1) });
    await settle();
    server.last().json(401, unauthenticated);
    await settle();
    expect([server.requests.map(bearer), reasons]).toEqual([
      ["Bearer t1", "Bearer t2"],
      ["connect", "refused"],
    ]);
    if (transport === "sse") {
      server.last().welcome({ a: cursorAt(1) });
      server.last().say(messageAt(2));
    } else server.last().answer(cursorAt(2), [messageAt(2)]);
    await settle();
    expect([got, push.status.state]).toEqual([["a:2"], "online"]);
  });

test("a refused POST is repeated with another token, once", async () => {
  const { token, reasons } = tokens();
  const { push, server } = await onStream({ token });
  const reply = push.send("a", "x", { id: "m1" });
  await settle();
  server.last().json(401, unauthenticated);
  await settle();
  expect([bearer(server.last()), reasons, server.last().url.searchParams.get("id")]).toEqual([
    "Bearer t2",
    ["connect", "refused"],
    "m1",
  ]);
  server.last().json(401, unauthenticated);
  await expect(reply).rejects.toMatchObject({ code: "unauthenticated", id: "m1" });
  expect(push.status.state).toBe("online");
});

test("a token is renewed before the identity ends, without another connection", async () => {
  const { token, reasons } = tokens();
  const { push, server } = client({ transports: ["sse"], token });
  push.subscribe("a", () => {});
  await settle();
  const stream = server.last();
  stream.open();
  stream.say({
    type: "welcome",
    session: "s 1",
    heartbeat: 600_000,
    expires: 300,
    topics: [{ topic: "a", cursor: cursorAt(0) }],
  });
  await pass(269_000);
  expect(reasons).toEqual(["connect"]);
  await pass(2_000);
  expect([reasons, server.last().url.href, bearer(server.last()), server.last().init.method]).toEqual([
    ["connect", "refresh"],
    "https://example.com/push/refresh?session=s+1",
    "Bearer t2",
    "POST",
  ]);
  server.last().json(200, { expires: 20 });
  await pass(9_000);
  expect(reasons).toHaveLength(2);
  await pass(1_010);
  expect(reasons).toEqual(["connect", "refresh", "refresh"]);
  server.last().fail();
  await settle();
  expect([push.status.state, stream.aborted]).toEqual(["online", false]);
});

test("what `token` throws is tried again later, or closes the client", async () => {
  const token = vi.fn(() => Promise.reject(new Error("offline")));
  const { push } = client({ transports: ["websocket"], token });
  await settle();
  expect(push.status).toMatchObject({ state: "waiting", error: { code: "token_failed", message: "offline" } });
  await pass(1_000);
  expect(token).toHaveBeenCalledTimes(2);
  token.mockImplementation(() => Promise.reject(new PushError("unauthenticated", "signed out")));
  await pass(60_000);
  expect(push.status).toMatchObject({ state: "closed", error: { code: "unauthenticated", message: "signed out" } });
});

test("a token that never comes ends the attempt, and a late one opens nothing", async () => {
  const late: ((token: string) => void)[] = [];
  const { push, server } = client({ transports: ["websocket"], token: () => new Promise((done) => late.push(done)) });
  await pass(10_000);
  expect(push.status).toMatchObject({ state: "waiting", error: { code: "transport_timeout" } });
  push.close();
  late[0]?.("t");
  await settle();
  server.requests[0]?.json(200, { ticket: "t" });
  await settle();
  expect(FakeSocket.all).toHaveLength(0);
});
