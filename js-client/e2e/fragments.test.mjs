// The fragments example, as people use it: htmx on raw event streams.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { launch, openPage, pictures, until } from "./browser.mjs";
import { startProxy } from "./proxy.mjs";
import { publish, startServer, startStandalone } from "./server.mjs";

let chromium;
let server;
let proxy;
before(async () => {
  chromium = await launch();
  server = await startServer("fragments");
  proxy = await startProxy(server.address);
});
after(async () => {
  await chromium.close();
  await proxy.close();
  assert.equal((await server.stop()).code, 0);
});

const at = (name) => `[data-testid="${name}"]`;

/**
 * Opens the list in a window of its own, since what is in a tab behind others can't be clicked, and waits until it is
 * live. What the policy blocks is a failure of the page.
 */
async function open(url) {
  const context = await chromium.browser.createBrowserContext();
  const page = await openPage(chromium.browser, url, { context });
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) page.failures.push(message.text());
  });
  await page.reload(); // now with an ear on the console
  await until("a stream", async () => (await state(page)) === "live");
  return page;
}

const state = (page) => page.$eval(at("badge"), (badge) => badge.dataset.state);
const texts = (page) => page.$$eval(at("line-text"), (items) => items.map((item) => item.textContent));
const shows = (page, text) => until(`"${text}"`, async () => (await texts(page)).includes(text));

async function post(page, text) {
  await page.$eval(at("name"), (field) => {
    field.value ||= "Ann";
  });
  await page.type(at("text"), text);
  await page.click(at("post"));
  await until("an empty form", () => page.$eval(at("text"), (field) => field.value === ""));
}

/** Posts from outside of any browser. */
async function postAside(text) {
  const response = await fetch(`${server.url}/lines`, { method: "POST", body: new URLSearchParams({ name: "Cron", text }) });
  assert.equal(response.status, 200);
}

test("a line appears in all windows, as text", async () => {
  const ann = await open(server.url);
  const bob = await open(server.url);
  await pictures(ann, "fragments-empty", { width: 1000, height: 500 });
  const evil = `<img src=x onerror="document.title='run'"> <b>hello</b> & </li>`;
  await post(ann, "Hello Bob");
  await post(bob, evil);
  await post(ann, "A third line, which is somewhat longer, so that one can see in a narrow window how it wraps");
  for (const page of [ann, bob]) {
    await until("three lines", async () => (await texts(page)).length === 3);
    assert.deepEqual((await texts(page)).slice(1), [evil, "Hello Bob"]); // the newest is first
    assert.deepEqual(await page.$$eval("#lines img, #lines .text *", (found) => found.length), 0);
    assert.notEqual(await page.title(), "run");
  }
  const eve = await open(server.url); // starts with what was posted before
  assert.equal((await texts(eve)).length, 3);
  assert.equal(await eve.$eval("#lines", (lines) => lines.querySelectorAll(":scope > li").length), 3);
  await pictures(ann, "fragments", { width: 1000, height: 600 }, { width: 360, height: 640 });
  for (const page of [ann, bob, eve]) {
    assert.deepEqual(page.failures, []);
    await page.browserContext().close();
  }
});

test("a form that is refused says why, and keeps what was written", async () => {
  const page = await open(server.url);
  await page.$eval(at("text"), (field) => {
    field.removeAttribute("maxlength");
    field.value = "x".repeat(501);
  });
  await page.$eval(at("name"), (field) => {
    field.value = "Ann";
  });
  await page.click(at("post"));
  await page.waitForSelector(at("problem"));
  assert.equal(await page.$eval(at("text"), (field) => field.value.length), 501);
  await pictures(page, "fragments-problem", { width: 1000, height: 500 });
  assert.deepEqual(page.failures, []);
  await page.browserContext().close();
});

test("a stream that is cut brings each line once", async () => {
  const page = await open(proxy.url);
  const lines = [];
  const add = async (text) => {
    lines.push(text);
    await postAside(text);
  };
  for (let cut = 0; cut < 3; cut++) {
    await add(`before cut ${cut}`);
    await shows(page, `before cut ${cut}`);
    await until("the stream", async () => (await state(page)) === "live");
    proxy.cut();
    for (let i = 0; i < 5; i++) await add(`missed ${cut}.${i}`);
    await shows(page, `missed ${cut}.4`);
  }
  await add("the end");
  await shows(page, "the end");
  assert.deepEqual((await texts(page)).slice(0, lines.length), lines.toReversed());
  assert.deepEqual(page.failures, []);
  await page.browserContext().close();
});

test("a server that answers 503 for a while leaves no line out, and none twice", async () => {
  // An EventSource gives up after such an answer, and the extension opens another.
  let down = false;
  let refused = 0;
  const streams = new Set();
  const front = createServer(async (from, to) => {
    if (down && from.url.startsWith("/push/sse")) {
      refused++;
      to.writeHead(503).end();
      return;
    }
    const aborter = new AbortController();
    to.on("close", () => aborter.abort());
    if (from.url.startsWith("/push/sse")) streams.add(to);
    try {
      const headers = from.headers["last-event-id"] ? { "last-event-id": from.headers["last-event-id"] } : {};
      const answer = await fetch(server.url + from.url, { headers, signal: aborter.signal });
      const { "content-type": type, "content-security-policy": policy } = Object.fromEntries(answer.headers);
      to.writeHead(answer.status, { "content-type": type, "content-security-policy": policy ?? "" });
      for await (const piece of answer.body) to.write(piece);
      to.end();
    } catch {
      to.destroy();
    }
  });
  await new Promise((done) => front.listen(0, "127.0.0.1", done));
  const page = await open(`http://127.0.0.1:${front.address().port}`);
  await postAside("before 503");
  await shows(page, "before 503");
  down = true;
  for (const stream of streams) stream.destroy();
  await until("two refusals", () => refused >= 2);
  await postAside("during 503");
  down = false;
  await postAside("after 503");
  await shows(page, "after 503");
  await postAside("live again");
  await shows(page, "live again");
  assert.deepEqual((await texts(page)).slice(0, 4), ["live again", "after 503", "during 503", "before 503"]);
  assert.equal((await texts(page)).filter((text) => text.includes("503")).length, 3);
  assert.deepEqual(page.failures, []);
  await page.browserContext().close();
  front.closeAllConnections();
  await new Promise((done) => front.close(done));
});

test("a gap loads the list again", async () => {
  const page = await open(server.url);
  await page.evaluate(() => document.getElementById("lines").replaceChildren()); // as if nothing had come
  await page.$eval("#live", (live) => {
    const lost = live.cloneNode(true);
    lost.setAttribute("sse-connect", live.getAttribute("sse-connect").replace(/since=[^&]*/, "since=lost"));
    live.replaceWith(lost);
    htmx.process(lost);
  });
  await shows(page, "live again");
  await postAside("after the gap");
  await shows(page, "after the gap");
  assert.equal((await texts(page)).filter((text) => text === "after the gap").length, 1);
  assert.deepEqual(page.failures, []);
  await page.browserContext().close();
});

test("a browser reads raw payloads back", async () => {
  const standalone = await startStandalone();
  const page = await openPage(chromium.browser, standalone.url);
  await page.evaluate(async () => {
    window.got = [];
    const events = new EventSource("/push/sse?topic=a&topic=b&format=raw");
    events.onmessage = ({ data, lastEventId }) => got.push([data, lastEventId]);
    events.addEventListener("e", ({ data, lastEventId }) => got.push([data, lastEventId]));
    await new Promise((done) => events.addEventListener("tidewire.welcome", done, { once: true }));
  });
  // An empty payload is an event with empty data: WHATWG HTML drops only an event that has no data field.
  const payloads = ["", "a\nb", "a\rb\r\nc\n", " leading", "\ufeffmark", "data: x\nid: y\n\nevent: z", "\0", "\u2028\u0085", "<p>\n  hi\n</p>\n", "end"];
  for (const [i, payload] of payloads.entries()) await publish(standalone, i % 2 ? "a" : "b", payload, i % 3 ? "" : "&event=e");
  await until("all payloads", () => page.evaluate((n) => got.length === n, payloads.length));
  const got = await page.evaluate(() => got);
  assert.deepEqual(
    got.map(([data]) => data),
    payloads.map((payload) => payload.replaceAll(/\r\n?/g, "\n")),
  );
  assert.equal(new Set(got.map(([, id]) => id)).size, payloads.length);
  for (const [, id] of got) assert.match(id, /^1[\w-]+\.1[\w-]+$/);
  await page.close();
  assert.deepEqual(await standalone.stop(), { code: 0, signal: null });
});
