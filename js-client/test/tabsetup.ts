import { afterEach, beforeEach, expect, vi } from "vitest";
import { type State, state } from "../src/state.ts";
import { connectTabs, type TabsOptions } from "../src/tabs.ts";
import type { Message, Push, Status, SubscribeOptions, Subscription } from "../src/types.ts";
import { fakeBrowser, Page } from "./fakebrowser.ts";
import { FakeServer } from "./fakeserver.ts";

/** A topic that a tab follows, and what came of it. */
export interface Followed {
  readonly got: unknown[];
  readonly sub: Subscription;
}

export interface Tab {
  readonly page: Page;
  readonly push: Push;
  readonly states: Status[];
  follow(topic: string, options?: SubscribeOptions): Followed;
  map(topic: string): State;
}

/** What a test has: a browser, a server, and the tabs that were opened. */
export interface World {
  readonly browser: ReturnType<typeof fakeBrowser>;
  readonly server: FakeServer;
  readonly tabs: Tab[];
  open(options?: TabsOptions): Tab;
}

export const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

export const numbers = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);

export function createWorld(): World {
  const browser = fakeBrowser();
  const server = new FakeServer();
  const tabs: Tab[] = [];
  return {
    browser,
    server,
    tabs,
    open(options = {}) {
      const page = new Page();
      const states: Status[] = [];
      const push = page.run(() =>
        connectTabs("/push", { WebSocket: server.WebSocket, fetch: server.fetch as TabsOptions["fetch"], ...options }),
      );
      page.run(() => push.onStatus((status) => states.push(status)));
      const tab: Tab = {
        page,
        push,
        states,
        follow(topic, how) {
          const got: unknown[] = [];
          const handlers = {
            message: ({ data }: Message) => void got.push(data),
            gap: ({ reason }: { reason: string }) => void got.push(`gap ${reason}`),
            error: ({ code }: { code: string }) => void got.push(`error ${code}`),
          };
          return { got, sub: page.run(() => push.subscribe(topic, handlers, how)) };
        },
        map: (topic) => page.run(() => state(push, topic)),
      };
      tabs.push(tab);
      return tab;
    },
  };
}

/** Closes all tabs, after which nothing may be left. */
export async function closeWorld({ tabs, server }: World): Promise<void> {
  for (const { page } of tabs) page.thaw();
  for (const { page, push } of tabs) if (page.state === "runs") page.run(() => push.close());
  await pass(1_000);
  expect(server.sockets.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
}

/** A world for each test. */
export function worlds(): World {
  const rejections: unknown[] = [];
  const onRejection = (reason: unknown): void => void rejections.push(reason);
  const world = {} as World;
  beforeEach(() => {
    Object.assign(world, createWorld());
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    process.on("unhandledRejection", onRejection);
  });
  afterEach(async () => {
    await closeWorld(world);
    vi.unstubAllGlobals();
    vi.useRealTimers();
    await new Promise((resolve) => setTimeout(resolve));
    process.off("unhandledRejection", onRejection);
    expect(rejections.splice(0)).toEqual([]);
  });
  return world;
}
