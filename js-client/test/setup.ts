import { afterEach, beforeEach, expect, vi } from "vitest";
import { connect } from "../src/connect.ts";
import type { Gap, Message, Options, Push, Status } from "../src/types.ts";
import { cursorAt } from "./cursors.ts";
import { fakeFetch } from "./fakefetch.ts";
import { FakeSocket } from "./fakesocket.ts";

const opened: Push[] = [];
const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => {
  rejections.push(reason);
};

/** Virtual time for each test; afterwards nothing may be left: no timer, no rejection that nobody took. */
export function virtualTime(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    process.on("unhandledRejection", onRejection);
  });
  afterEach(async () => {
    for (const push of opened.splice(0)) push.close();
    await pass(60_000);
    expect(vi.getTimerCount()).toBe(0);
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve));
    process.off("unhandledRejection", onRejection);
    expect(rejections.splice(0)).toEqual([]);
  });
}

export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
  await pass(0);
}

/** A client, its fake server ends, and all that it says about itself. */
export function client(options: Options = {}) {
  const server = fakeFetch();
  const states: Status[] = [];
  const push = connect("https://example.com/push", { WebSocket: FakeSocket.type, fetch: server.fetch, ...options });
  opened.push(push);
  // It would open at the first subscription, a moment later.
  if ((options.transports?.[0] ?? "websocket") === "websocket") push.reconnect();
  push.onStatus((status) => states.push(status));
  return { push, server, states, names: () => states.map(({ state }) => state) };
}

/** Handlers that note what they get, in one line each. */
export function notes() {
  const got: string[] = [];
  const errors: string[] = [];
  return {
    got,
    errors,
    handlers: {
      message: (m: Message) => void got.push(`${m.topic}:${m.data}`),
      gap: (g: Gap) => void got.push(`${g.topic}:gap ${g.reason}`),
      error: (e: Error & { code: string }) => void errors.push(e.code),
    },
  };
}

/** A client on a WebSocket that follows topic "a". */
export async function onSocket(options: Options = {}, since?: string, recent?: number) {
  const made = client(options);
  const noted = notes();
  const sub = made.push.subscribe("a", noted.handlers, { since, recent });
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  await pass(10);
  return { ...made, ...noted, sub };
}

/** A client on an event stream that follows topic "a". */
export async function onStream(options: Options = {}, since?: string) {
  const made = client({ transports: ["sse"], ...options });
  const noted = notes();
  const sub = made.push.subscribe("a", noted.handlers, { since });
  await settle();
  made.server.last().welcome();
  await settle();
  return { ...made, ...noted, sub };
}

/** A client that polls for topic "a", and waits for more. */
export async function onPoll(options: Options = {}, since?: string) {
  const made = client({ transports: ["poll"], ...options });
  const noted = notes();
  const sub = made.push.subscribe("a", noted.handlers, { since });
  await settle();
  made.server.last().answer(cursorAt(0));
  await pass(100);
  return { ...made, ...noted, sub };
}
