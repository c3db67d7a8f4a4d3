// What becomes of pages: hidden, frozen, asleep, left and shown again, on a path that has died. In the end they are whole.
import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import { follow, inBrowsers, openPage, status, until } from "./browser.mjs";
import { numbers, wholeUntil } from "./numbers.mjs";
import { asleep } from "./processes.mjs";
import { startProxy } from "./proxy.mjs";
import { startStandalone } from "./server.mjs";

let server;
let proxy;
let pages;

beforeEach(async () => {
  server = await startStandalone();
  proxy = await startProxy(server.address);
  pages = [];
});
afterEach(async () => {
  for (const page of pages) await page.close();
  await proxy.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  for (const page of pages) assert.deepEqual(page.failures, []);
});

async function open(browser, url) {
  const page = await openPage(browser, url);
  pages.push(page);
  return page;
}

/** Opens a page that follows the topic "a" over one transport, and has got three numbers. */
async function followed(browser, transport, options) {
  const page = await open(browser, proxy.url);
  await follow(page, ["a"], { options: { transports: [transport], ...options } });
  await numbers(server, "a", 1, 3);
  await wholeUntil(page, "a", 3);
  return page;
}

/** Leaves a page, goes back to it after `meanwhile`, and tells whether it is the page that it was. */
async function leaveFor(page, meanwhile) {
  const ask = (question) => page.evaluate(question).catch(() => {}); // what is asked of a page that goes gets no answer
  await page.evaluate(() => addEventListener("pageshow", (e) => (window.shownAgain = e.persisted)));
  await page.goto("data:text/html,elsewhere");
  await meanwhile();
  await page.evaluate(() => setTimeout(() => history.back()));
  await until("the page again", () => ask(() => location.protocol === "http:" && document.readyState === "complete"));
  const kept = await page.evaluate(() => "push" in window);
  if (kept) await until("the page to be shown", () => page.evaluate(() => shownAgain));
  return kept;
}

for (const transport of ["websocket", "sse"]) {
  inBrowsers(`a hidden page, over ${transport}`, async ({ browser }) => {
    const page = await followed(browser, transport);
    const other = await open(browser, "about:blank");
    await other.bringToFront();
    await until("the page to be hidden", () => page.evaluate(() => document.hidden));
    await numbers(server, "a", 4, 20);
    await wholeUntil(page, "a", 20);
    proxy.cut();
    await numbers(server, "a", 21, 40);
    await wholeUntil(page, "a", 40);
    await page.bringToFront();
    await numbers(server, "a", 41, 50);
    await wholeUntil(page, "a", 50);
  });

  inBrowsers(`a machine that sleeps, over ${transport}`, async ({ browser }) => {
    const page = await followed(browser, transport);
    await asleep(browser, () => numbers(server, "a", 4, 6));
    await wholeUntil(page, "a", 6);
    await asleep(browser, async () => {
      await numbers(server, "a", 7, 9);
      proxy.cut();
      await numbers(server, "a", 10, 12);
    });
    await wholeUntil(page, "a", 12);
  });

  // Only the event can tell in time: heartbeats that don't come tell after 25 s or more.
  inBrowsers(`a path that has died, and "online", over ${transport}`, async ({ browser }) => {
    const page = await followed(browser, transport);
    await page.evaluate(() => dispatchEvent(new Event("offline")));
    proxy.swallow();
    await numbers(server, "a", 4, 6);
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await wholeUntil(page, "a", 6);
  });

  // Firefox doesn't keep a page that has a connection.
  inBrowsers(`a page that is left and shown again, over ${transport}`, async ({ name, browser }, t) => {
    const page = await followed(browser, transport);
    const kept = await leaveFor(page, async () => {
      await until("the connection of the page that was left to end", () => proxy.following() === 0);
      await numbers(server, "a", 4, 6);
    });
    if (!kept) {
      assert.equal(name, "firefox");
      t.diagnostic("Firefox hasn't kept the page");
      return;
    }
    await wholeUntil(page, "a", 6);
    await numbers(server, "a", 7, 9);
    await wholeUntil(page, "a", 9);
  });

  inBrowsers(`a page that waits for the server, is left, and shown again, over ${transport}`, async ({ name, browser }, t) => {
    const page = await followed(browser, transport, { backoff: [3000, 3000] });
    proxy.away = true;
    proxy.cut();
    await until("the client to wait", async () => (await status(page)).state === "waiting");
    const kept = await leaveFor(page, async () => {
      await numbers(server, "a", 4, 6);
      proxy.away = false;
    });
    if (!kept) {
      assert.equal(name, "firefox"); // which had an attempt under way
      t.diagnostic("Firefox hasn't kept the page");
      return;
    }
    await wholeUntil(page, "a", 6);
  });

  // Firefox has no way to freeze a page.
  const freezes = async ({ browser }) => {
    const page = await followed(browser, transport);
    await page.evaluate(() => {
      window.lifecycle = [];
      for (const type of ["freeze", "resume"]) document.addEventListener(type, () => lifecycle.push(type));
    });
    const protocol = await page.createCDPSession();
    const set = (state) => protocol.send("Page.setWebLifecycleState", { state });
    await set("frozen");
    await numbers(server, "a", 4, 6);
    proxy.cut();
    await numbers(server, "a", 7, 9);
    await set("active");
    await wholeUntil(page, "a", 9);
    assert.deepEqual(await page.evaluate(() => lifecycle), ["freeze", "resume"]);
  };
  inBrowsers(`a page that is frozen, over ${transport}`, freezes, ["chromium"]);
}

// Firefox asks for the same only once at a time, if the answer may be cached.
for (const transport of ["websocket", "sse", "poll"])
  inBrowsers(`two pages that follow the same, over ${transport}`, async ({ browser }) => {
    const options = { transports: [transport] };
    const both = [await open(browser, proxy.url), await open(browser, proxy.url)];
    for (const page of both) await follow(page, ["a", "b"], { options });
    await numbers(server, "a", 1, 10);
    await numbers(server, "b", 1, 10);
    for (const page of both) for (const topic of ["a", "b"]) await wholeUntil(page, topic, 10);
  });
