// A day's events: a page that follows a topic for EVENTS (1,000,000) messages has every one, and no more memory at the end than at the
// beginning.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Pool } from "undici";
import { launch, names, openPage, until } from "./browser.mjs";
import { processOf } from "./processes.mjs";
import { publishKey, startStandalone } from "./server.mjs";

/** The page follows these: what is published goes to all at once, as one event of each. */
const topics = Array.from({ length: 20 }, (_, i) => `a${i}`);
const published = Math.ceil(Number(process.env.EVENTS ?? 1_000_000) / topics.length);
const events = published * topics.length;
/** How many are published before the page must have them: their events are fewer than may wait for a client. */
const burst = 40;
/** How often memory is measured. */
const rounds = 10;
const MB = 1 << 20;
/** By how much memory may differ from one measurement to a later one. */
const slack = { chromium: 1 * MB, firefox: 2 * MB };
/** SIGRTMIN + 1, at which Firefox frees what it can, garbage too, and then writes a report. */
const free = 35;

/** Publishes in parallel, as numbers in any order. */
function publisher(server) {
  const pool = new Pool(server.url, { connections: 4, pipelining: 8 });
  const one = async (n) => {
    const { statusCode, body } = await pool.request({
      method: "POST",
      path: `/push/publish?${new URLSearchParams(topics.map((topic) => ["topic", topic]))}`,
      headers: { authorization: `Bearer ${publishKey}`, "content-type": "text/plain" },
      body: String(n),
      idempotent: true, // so that requests are pipelined
    });
    await body.dump();
    assert.equal(statusCode, 200);
  };
  return {
    publish: (first, count) => Promise.all(Array.from({ length: count }, (_, i) => one(first + i))),
    close: () => pool.destroy(),
  };
}

/** The lines of a report of Firefox's, when it is written. */
function read(path) {
  try {
    return JSON.parse(gunzipSync(readFileSync(path))).reports;
  } catch {}
}

/** Bytes, without garbage: of the page's heap, or of all that its process has allocated. */
const used = {
  async chromium({ page }) {
    const session = await page.createCDPSession();
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    await session.detach();
    return usedSize;
  },
  async firefox({ browser, pid, reports }) {
    process.kill(browser.process().pid, free);
    const path = await until("a report", () => readdirSync(reports).find((name) => name.startsWith("unified-memory-report")), 60_000);
    const of = await until("the whole report", () => read(join(reports, path)), 60_000);
    rmSync(join(reports, path));
    return of
      .filter(({ process, path }) => process.includes(`(pid ${pid})`) && /^(heap-allocated$|js-main-runtime-gc-heap-committed.used)/.test(path))
      .reduce((sum, { amount }) => sum + amount, 0);
  },
};

for (const name of names)
  for (const transport of ["websocket", "sse"])
    test(`${name}: ${events} events over ${transport} leave a page's memory as it is`, async (t) => {
      const reports = mkdtempSync(join(tmpdir(), "tidewire-reports-"));
      // Without events of the network, of which each message is one.
      const { browser, close: quit } = await launch(name, { networkEnabled: false, env: { ...process.env, TMPDIR: reports } });
      t.after(async () => {
        await quit();
        rmSync(reports, { recursive: true, force: true });
      });
      const server = await startStandalone();
      const { publish, close } = publisher(server);
      t.after(async () => {
        await close();
        assert.equal((await server.stop()).code, 0);
      });
      const page = await openPage(browser, server.url);
      await page.evaluate(async (transport, topics) => {
        const { connect } = await import("/push/client.mjs");
        Object.assign(window, { count: 0, sum: 0, faults: [], links: new Set(), begun: performance.now() });
        window.push = connect("/push", { transports: [transport] });
        push.onStatus(({ session }) => session && links.add(session));
        const handlers = {
          message({ data }) {
            window.count++;
            window.sum += Number(data);
          },
          gap: ({ reason }) => faults.push(reason),
          error: ({ code }) => faults.push(code),
        };
        await Promise.all(topics.map((topic) => push.subscribe(topic, handlers).ready));
      }, transport, topics);
      const pid = await processOf(browser, page);
      const measured = [];
      for (let round = 0, n = 0; round < rounds; round++) {
        for (const end = Math.round(((round + 1) * published) / rounds); n < end; ) {
          const count = Math.min(burst, end - n);
          await publish(n + 1, count);
          n += count;
          await until(`event ${n}`, () => page.evaluate((count) => window.count >= count || faults.length, n * topics.length), 60_000);
        }
        measured.push(await used[name]({ browser, page, pid, reports }));
      }
      const { count, sum, faults, links, ms } = JSON.parse(
        await page.evaluate(() => JSON.stringify({ count, sum, faults, links: links.size, ms: performance.now() - begun })),
      );
      t.diagnostic(`${name}, ${transport}: ${count} events in ${Math.round(ms / 1000)} s; MB: ${measured.map((bytes) => (bytes / MB).toFixed(1)).join(" ")}`);
      assert.deepEqual({ count, sum, faults, links }, { count: events, sum: (events * (published + 1)) / 2, faults: [], links: 1 });
      // The first ones are of a page that still grows warm.
      const [early, late] = [measured.slice(2, rounds / 2), measured.slice(rounds / 2)].map((all) => Math.min(...all));
      assert.ok(early > 0 && late <= early + slack[name], `from ${early} to ${late} bytes`);
      assert.deepEqual(page.failures, []);
    });
