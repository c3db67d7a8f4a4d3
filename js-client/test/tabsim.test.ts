import { afterEach, expect, test, vi } from "vitest";
import type { Data, Push } from "../src/types.ts";
import { closeWorld, createWorld, numbers, pass, type Tab } from "./tabsetup.ts";

// Tabs that come and go in whatever way, with a server that is away now and then; and what each of them must have got in the end.

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Numbers that look random, from 0 to 1 (mulberry32). */
function dice(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A log that a tab follows: the first number that it must have got, if it chose one, and how many at least. */
interface Log {
  readonly tab: Tab;
  readonly topic: string;
  readonly got: unknown[];
  readonly from?: number;
  readonly least?: number;
}

/** What a log has got: numbers one after the other, and after each gap from another one on. */
function runs(got: readonly unknown[]): number[][] {
  const all: number[][] = [[]];
  for (const one of got)
    if (typeof one === "number") all.at(-1)?.push(one);
    else all.push([]);
  return all;
}

/** A state that a tab follows: no key may go back to an older version, unless all was reset. */
function watch(push: Push): { values: Map<string, Data>; faults: string[] } {
  const values = new Map<string, Data>();
  const versions = new Map<string, number>();
  const faults: string[] = [];
  push.subscribe(
    "s",
    {
      state({ type, changes }) {
        if (type === "reset") {
          values.clear();
          versions.clear();
        }
        for (const { key, op, data, version = 0 } of changes) {
          if (op === "delete") values.delete(key);
          else {
            if (version < (versions.get(key) ?? 0)) faults.push(`${key}: ${version} after ${versions.get(key)}`);
            versions.set(key, version);
            values.set(key, data as Data);
          }
        }
      },
    },
    { kind: "state" },
  );
  return { values, faults };
}

async function run(seed: number): Promise<void> {
  const random = dice(seed);
  vi.spyOn(Math, "random").mockImplementation(dice(seed + 1e6));
  const world = createWorld();
  const { server, browser, tabs, open } = world;
  server.states.add("s");
  const slow = random() < 0.3 ? 40 : 4;
  browser.delays(() => Math.floor(random() * slow));
  server.latency = () => 1 + Math.floor(random() * slow);
  const logs: Log[] = [];
  const states: { tab: Tab; values: Map<string, Data>; faults: string[] }[] = [];
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  const running = (): Tab[] => tabs.filter(({ page }) => page.state === "runs");
  const transports = pick([["websocket"], ["websocket", "poll"], ["poll"]] as const);

  /** Whether the server forgets messages. */
  const trims = random() < 0.3;
  let gaps = false;
  const publish = (topic: string): number => server.publish(topic, server.topic(topic).head + 1);
  const come = (): void => {
    const tab = open({ backoff: [20, 200], ...(transports && { transports }) });
    for (const topic of ["a", "b"]) {
      if (random() < 0.3) continue;
      const { head } = server.topic(topic);
      const offset = Math.floor(random() * (head + 1));
      const since = server.topic(topic).cursor(offset);
      const recent = 1 + Math.floor(random() * 10);
      const how = pick(["now", "since", "recent", "load"]);
      if (how === "now") logs.push({ tab, topic, ...tab.follow(topic) });
      if (how === "since") logs.push({ tab, topic, ...tab.follow(topic, { since }), from: offset + 1 });
      if (how === "recent") logs.push({ tab, topic, ...tab.follow(topic, { recent }), least: Math.min(recent, head) });
      if (how !== "load") continue;
      const load = async (why: string): Promise<string> => (why === "gap" ? server.topic(topic).cursor() : since);
      logs.push({ tab, topic, ...tab.follow(topic, { load }), from: offset + 1 });
    }
    if (random() < 0.6) states.push({ tab, ...tab.page.run(() => watch(tab.push)) });
  };

  come();
  for (let step = 0; step < 60; step++) {
    const tab = pick(running());
    const what = random();
    if (what < 0.45) for (let i = random() * 6; i > 0; i--) publish(pick(["a", "b"]) ?? "a");
    else if (what < 0.6) server.set("s", pick(["k", "l", "m", "n"]) ?? "k", random() < 0.2 ? undefined : step);
    else if (what < 0.7 && running().length < 6) come();
    else if (what < 0.74) await tab?.page.close();
    else if (what < 0.78) tab?.page.crash();
    else if (what < 0.82) await tab?.page.freeze(random() < 0.5);
    else if (what < 0.86) for (const { page } of tabs) page.thaw();
    else if (what < 0.9) for (const socket of server.sockets) socket.end();
    else if (what < 0.92) server.away = !server.away;
    else if (what < 0.94 && trims) for (const topic of server.topics.values()) topic.trimmed = topic.head;
    await pass(random() < 0.1 ? 12_000 : Math.floor(random() * 30));
  }
  server.away = false;
  for (const { page } of tabs) page.thaw();
  await pass(60_000);
  // It rests, and comes again.
  for (const topic of ["a", "b"]) publish(topic);
  server.set("s", "last", true);
  await pass(30_000);

  for (const { tab, topic, got, from, least } of logs) {
    if (tab.page.state !== "runs") continue;
    const { head } = server.topic(topic);
    for (const [i, run] of runs(got).entries()) {
      const last = i === runs(got).length - 1;
      const begin = (i ? undefined : run[0] && from) ?? run[0] ?? head + 1;
      const want = numbers(begin, last ? head : (run.at(-1) ?? 0));
      expect(run.join(), `seed ${seed}: ${topic} from ${from}: ${got}`).toBe(want.join());
      gaps ||= i > 0;
    }
    if (!trims) expect(gaps, `seed ${seed}: ${topic}`).toBe(false);
    if (least && !trims) expect(got.length, `seed ${seed}: ${topic}`).toBeGreaterThanOrEqual(least);
  }
  for (const { tab, values, faults } of states) {
    if (tab.page.state !== "runs") continue;
    expect(faults, `seed ${seed}`).toEqual([]);
    expect(Object.fromEntries(values), `seed ${seed}`).toEqual(server.values("s"));
  }
  expect(server.sockets.size, `seed ${seed}: connections`).toBeLessThanOrEqual(1);
  await closeWorld(world);
}

const first = Number(process.env.FIRST ?? 0);
for (const seed of numbers(first, first + Number(process.env.SEEDS ?? 12) - 1))
  test(`schedule ${seed}`, () => run(seed));
