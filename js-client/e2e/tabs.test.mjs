// Tabs that share a connection, in real browsers over HTTP/1.1, where an origin has six connections: each gets everything, whatever
// becomes of the leader.
import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { processOf } from "./processes.mjs";
import { startProxy } from "./proxy.mjs";
import { publish, startStandalone } from "./server.mjs";

let server;
let proxy;
let pages;
beforeEach(async () => {
  server = await startStandalone(undefined, "-state", "s");
  proxy = await startProxy(server.address);
  pages = [];
});
afterEach(async () => {
  for (const page of pages) assert.deepEqual(page.failures, []);
  await Promise.all(pages.map((page) => page.close()));
  await proxy.close();
  assert.equal((await server.stop()).code, 0);
});

/** Opens a tab that follows the log "a", as `how` says, and the state "s". The first one leads. */
async function open(browser, options = {}, how = {}) {
  const page = await openPage(browser, proxy.url);
  pages.push(page);
  await page.evaluate(
    async (options, how) => {
      const { connectTabs } = await import("/push/tabs.mjs");
      const { state } = await import("/push/state.mjs");
      window.log = [];
      window.push = connectTabs("/push", options);
      const { since, recent, load } = how;
      const handlers = { message: (m) => log.push(Number(m.data)), gap: (g) => log.push(g.reason), error: (e) => log.push(e.code) };
      window.sub = push.subscribe("a", handlers, { since, recent, load: load && (async () => load) });
      window.map = state(push, "s");
      await Promise.all([sub.ready, map.ready]);
    },
    options,
    how,
  );
  return page;
}

let last = 0;
beforeEach(() => {
  last = 0;
});
const next = async (count = 1) => {
  for (let i = 0; i < count; i++) await publish(server, "a", String(++last));
};
const change = (key, value) => publish(server, "s", value, `&op=set&key=${key}`);

/** Waits until the tabs have all, and asserts that each has it once, in order, from `from` on. */
async function whole(tabs, from = 1) {
  const want = Array.from({ length: last - from + 1 }, (_, i) => from + i);
  for (const page of tabs) {
    const seen = () => page.evaluate(() => JSON.stringify(log));
    await until(`number ${last}`, async () => JSON.parse(await seen()).at(-1) === last, 60_000);
    assert.equal(await seen(), JSON.stringify(want));
  }
}

/** How many connections to the server tabs have had: WebSockets, or event streams. */
const connections = () => proxy.handshakes + proxy.streams;

/** Publishes until `done` is fulfilled, and a little more; altogether less than the server replays to one that comes back. */
async function publishUntil(done) {
  let ended = false;
  done = done.finally(() => {
    ended = true;
  });
  for (let i = 0; i < 400 && !ended; i++) await next();
  await done;
  await next(10);
}

const aWhile = (ms) => new Promise((done) => setTimeout(done, ms));

const crash = {
  chromium: async (_, page) => {
    page.goto("chrome://crash").catch(() => {});
    await new Promise((done) => page.once("error", done));
  },
  firefox: async (browser, page) => {
    process.kill(await processOf(browser, page), "SIGKILL");
    await until("the page to be gone", async () => !(await survivors([page])).length);
  },
};

/** Those of the tabs that still live: some may have lived in the same process. */
async function survivors(tabs) {
  const alive = await Promise.all(tabs.map((page) => Promise.race([page.evaluate(() => log.length >= 0).catch(() => false), aWhile(10_000)])));
  return tabs.filter((_, i) => alive[i]);
}

for (const transports of [undefined, ["sse", "poll"]]) {
  const over = transports ? "event streams alone" : "what serves best";

  inBrowsers(`ten tabs over ${over} share one connection, and all live`, async ({ browser }) => {
    for (let i = 0; i < 10; i++) await open(browser, { transports });
    await next(20);
    await change("k", "1");
    await whole(pages);
    for (const page of pages) await page.waitForFunction(() => map.get("k") === "1");
    assert.equal(connections(), 1);
    await Promise.all(pages.map((page, i) => page.evaluate((i) => push.send("sent", { from: i }), i)));
    assert.deepEqual(new Set(await Promise.all(pages.map((page) => page.evaluate(() => push.status.transport)))), new Set([transports ? "sse" : "websocket"]));
  });

  inBrowsers(`a leader over ${over} that is closed`, async ({ browser }) => {
    for (let i = 0; i < 10; i++) await open(browser, { transports });
    await next(5);
    const leader = pages.shift();
    await publishUntil(leader.close());
    await whole(pages);
    assert.equal(connections(), 2);
  });

  inBrowsers(`a leader over ${over} that crashes`, async ({ name, browser }) => {
    for (let i = 0; i < 10; i++) await open(browser, { transports });
    await next(5);
    const leader = pages.shift();
    await publishUntil(crash[name](browser, leader).then(() => aWhile(200)));
    const alive = await survivors(pages);
    assert.ok(alive.length > 0);
    await whole(alive);
    await leader.close();
  });

  inBrowsers(
    `a leader over ${over} that is frozen, and goes on`,
    async ({ browser }) => {
      for (let i = 0; i < 10; i++) await open(browser, { transports });
      await next(5);
      const [leader, ...others] = pages;
      const session = await leader.createCDPSession();
      await publishUntil(session.send("Page.setWebLifecycleState", { state: "frozen" }));
      await whole(others);
      assert.equal(connections(), 2);
      await publishUntil(session.send("Page.setWebLifecycleState", { state: "active" }));
      await whole(pages);
      assert.equal(connections(), 2);
    },
    ["chromium"],
  );
}

inBrowsers("a leader whose process is stopped, and goes on", async ({ browser }) => {
  for (let i = 0; i < 4; i++) await open(browser);
  await next(5);
  const [leader, ...others] = pages;
  await whole(pages);
  const pid = await processOf(browser, leader);
  process.kill(pid, "SIGSTOP");
  try {
    await next(5);
    const alive = await survivors(others);
    assert.ok(alive.length > 0);
    await whole(alive);
  } finally {
    process.kill(pid, "SIGCONT");
  }
  await next(5);
  await whole(pages);
  await until("one connection", () => proxy.following() === 1);
});

inBrowsers("tabs that come late get what they ask for, and then share the connection", async ({ browser }) => {
  await next(3);
  await change("k", "1");
  const first = await open(browser);
  await next(10);
  await whole([first], 4);
  const since = await first.evaluate(() => sub.cursor);
  await next(10);
  const late = [];
  await publishUntil(
    (async () => {
      for (const how of [{ since }, { load: since }, { recent: 5 }]) late.push(await open(browser, {}, how));
    })(),
  );
  await change("k", "2");
  await whole(late.slice(0, 2), 14);
  const from = await late[2].evaluate(() => log[0]);
  assert.ok(from <= last - 5 + 1);
  await whole([late[2]], from);
  for (const page of pages) await page.waitForFunction(() => map.get("k") === "2");
  // What they have caught up by is closed: there are no more polls, and what is published comes by the one connection.
  const polls = async () => (await Promise.all(late.map((page) => page.evaluate(() => performance.getEntriesByType("resource").filter(({ name }) => name.includes("/push/poll")).length)))).join();
  const before = await polls();
  await next(20);
  await whole(late.slice(0, 2), 14);
  assert.equal(await polls(), before);
  assert.equal(connections(), 1);
});

inBrowsers("the connection is cut again and again", async ({ browser }) => {
  for (let i = 0; i < 3; i++) await open(browser, { backoff: [10, 200] });
  for (let i = 0; i < 10; i++) {
    await next(5);
    proxy.cut();
    await next(5);
    await aWhile(50);
  }
  await next();
  await whole(pages);
});
