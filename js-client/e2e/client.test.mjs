// The client against the real server, over connections that fail.
import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import { follow, inBrowsers, openPage, seen, status, until } from "./browser.mjs";
import * as all from "./numbers.mjs";
import { startProxy } from "./proxy.mjs";
import { publish, startStandalone } from "./server.mjs";

let server;
let proxy;
let page;

beforeEach(async () => {
  server = await startStandalone();
  proxy = await startProxy(server.address);
});
afterEach(async () => {
  await page.close();
  await proxy.close();
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  assert.deepEqual(page.failures, []);
});

async function open(browser, topics, options) {
  page = await openPage(browser, proxy.url);
  await follow(page, topics, { options });
}

const numbers = (topic, first, last) => all.numbers(server, topic, first, last);
const wholeUntil = (last, topic = "a") => all.wholeUntil(page, topic, last);

inBrowsers("messages arrive over a WebSocket", async ({ browser }) => {
  await open(browser, ["a", "b"]);
  assert.equal((await status(page)).transport, "websocket");
  await numbers("a", 1, 20);
  await publish(server, "b", Buffer.from([0, 255]));
  await wholeUntil(20);
  await until("the binary message", async () => (await seen(page)).some((m) => m.topic === "b" && m.data[1] === 255));
  assert.deepEqual([proxy.handshakes, proxy.streams], [1, 0]);
});

inBrowsers("WebSockets that are refused from the start", async ({ browser }) => {
  proxy.webSockets = "refuse";
  await open(browser, ["a"]);
  await numbers("a", 1, 5);
  await wholeUntil(5);
  assert.equal((await status(page)).transport, "sse");
});

inBrowsers("WebSockets that never open", async ({ browser }) => {
  proxy.webSockets = "hang";
  await open(browser, ["a"], { connectTimeout: 1000 });
  await numbers("a", 1, 5);
  await wholeUntil(5);
  assert.equal((await status(page)).transport, "sse");
});

inBrowsers("WebSockets that open and die at once", async ({ browser }) => {
  proxy.webSockets = "kill";
  await open(browser, ["a"]);
  await numbers("a", 1, 5);
  await wholeUntil(5);
  assert.equal((await status(page)).transport, "sse");
});

inBrowsers("connections that are cut again and again", async ({ browser }) => {
  await open(browser, ["a", "b"], { backoff: [10, 100] });
  const cutting = setInterval(() => proxy.cut(), 150);
  await numbers("a", 1, 500);
  clearInterval(cutting);
  await numbers("b", 1, 1);
  await wholeUntil(500);
  await wholeUntil(1, "b");
});

inBrowsers("WebSockets that are cut after 5 s of silence, until they are pinged", async ({ browser }) => {
  proxy.idle = 5000;
  await open(browser, ["a"]);
  await until("one that lives three times as long", () => proxy.oldest() > 15_000, 120_000);
  assert.ok(proxy.handshakes >= 3);
  await numbers("a", 1, 5);
  await wholeUntil(5);
  assert.equal((await status(page)).transport, "websocket");
});

inBrowsers("event streams that are cut again and again", async ({ browser }) => {
  proxy.webSockets = "refuse";
  await open(browser, ["a", "b", "c", "d", "e"], { backoff: [10, 100] });
  const cutting = setInterval(() => proxy.cut(false), 150);
  await numbers("a", 1, 300);
  clearInterval(cutting);
  await numbers("e", 1, 1);
  await wholeUntil(300);
  await wholeUntil(1, "e");
});

for (const [eventStreams, connectTimeout] of [["buffer", 2000], ["hang", undefined]])
  inBrowsers(`WebSockets that are refused, and event streams that ${eventStreams}`, async ({ browser }) => {
    Object.assign(proxy, { webSockets: "refuse", eventStreams });
      await open(browser, ["a", "b"], { connectTimeout });
    assert.equal((await status(page)).transport, "poll");
    await numbers("a", 1, 100);
    assert.ok((await wholeUntil(100)).every(({ via }) => via === "poll"));
    await publish(server, "b", Buffer.from([0, 255]));
    await until("the binary message", async () => (await seen(page)).some((m) => m.topic === "b" && m.data[1] === 255));
  });

inBrowsers("polls that are cut again and again", async ({ browser }) => {
  await open(browser, ["a", "b"], { transports: ["poll"], backoff: [10, 100] });
  const cutting = setInterval(() => proxy.cut(false), 150);
  await numbers("a", 1, 300);
  clearInterval(cutting);
  await numbers("b", 1, 1);
  await wholeUntil(300);
  await wholeUntil(1, "b");
});

inBrowsers("from polls to the event stream, and to the WebSocket, as the network lets them through", async ({ browser }) => {
  Object.assign(proxy, { webSockets: "refuse", eventStreams: "buffer" });
  await open(browser, ["a"], { backoff: [10, 100], probe: 500, connectTimeout: 1000 });
  assert.equal((await status(page)).transport, "poll");
  await numbers("a", 1, 10);
  const { streams } = proxy;
  await until("a trial of the event stream that hangs", () => proxy.streams > streams, 10_000);
  await numbers("a", 11, 20);
  assert.equal((await wholeUntil(20)).at(-1).via, "poll");
  proxy.eventStreams = "pass";
  let publishing = numbers("a", 21, 200);
  await until("the event stream", async () => (await status(page)).transport === "sse");
  await publishing;
  await numbers("a", 201, 210);
  assert.equal((await wholeUntil(210)).at(-1).via, "sse");
  proxy.webSockets = "pass";
  publishing = numbers("a", 211, 400);
  await until("the WebSocket", async () => (await status(page)).transport === "websocket");
  await publishing;
  await numbers("a", 401, 410);
  assert.equal((await wholeUntil(410)).at(-1).via, "websocket");
});

inBrowsers("to the event stream and back to the WebSocket, with one cursor", async ({ browser }) => {
  await open(browser, ["a"], { backoff: [10, 100], probe: 500 });
  await numbers("a", 1, 10);
  await wholeUntil(10);
  proxy.webSockets = "refuse";
  proxy.cut();
  await numbers("a", 11, 20);
  await wholeUntil(20);
  await until("the event stream", async () => (await status(page)).transport === "sse");
  await numbers("a", 21, 30);
  assert.equal((await wholeUntil(30)).at(-1).via, "sse");
  proxy.webSockets = "pass";
  const publishing = numbers("a", 31, 200);
  await until("the WebSocket", async () => (await status(page)).transport === "websocket");
  await publishing;
  await numbers("a", 201, 210);
  assert.equal((await wholeUntil(210)).at(-1).via, "websocket");
});

inBrowsers("a server that is killed in the middle, with its history", async ({ browser }) => {
  await open(browser, ["a"], { backoff: [10, 200] });
  const { address } = server;
  const publishing = (async () => {
    for (let n = 1; n <= 500; n++) {
      while (true) {
        try {
          await publish(server, "a", String(n), `&id=m${n}`);
          break;
        } catch {
          await new Promise((done) => setTimeout(done, 10));
        }
      }
    }
  })();
  await until("a hundred messages", async () => (await seen(page)).length >= 100);
  assert.equal((await server.stop("SIGKILL")).signal, "SIGKILL");
  server = await startStandalone(address);
  await publishing;
  await until("the last message", async () => (await seen(page)).some((m) => m.data === "500"));
  // The memory broker's history has died with the process. So: every message once and in order, and where some are missing
  // there is a gap, which says so truly.
  const log = await seen(page);
  let last = 0;
  let gaps = 0;
  let told = false;
  for (const m of log) {
    if (m.gap) {
      assert.equal(m.gap, "epoch");
      gaps++;
      told = true;
      continue;
    }
    const n = Number(m.data);
    assert.ok(n > last, `${n} after ${last}`);
    if (n !== last + 1) assert.ok(told, `${last + 1} to ${n - 1} are missing and no gap tells`);
    told = false;
    last = n;
  }
  assert.equal(gaps, 1);
  assert.ok((await page.evaluate(() => states)).every(([, , code]) => code !== "protocol_violation"));
});

inBrowsers("messages from the client, over both transports", async ({ browser }) => {
  const exchange = () =>
    page.evaluate(async () => {
      const first = await push.send("a", "hello", { id: `once-${push.status.transport}` });
      const again = await push.send("a", "hello", { id: `once-${push.status.transport}` });
      const object = await push.send("a", { n: 1 });
      return { first, again, object };
    });
  await open(browser, ["a"]);
  let { first, again, object } = await exchange();
  assert.deepEqual({ ...again, duplicate: undefined }, { ...first, duplicate: undefined });
  assert.equal(again.duplicate, true);
  assert.equal(object.offset, 2);
  await page.close();

  proxy.webSockets = "refuse";
  await open(browser, ["a"]);
  ({ first, again, object } = await exchange());
  assert.equal((await status(page)).transport, "sse");
  assert.equal(first.offset, 3);
  assert.equal(again.duplicate, true);
  assert.equal(object.offset, 4);
  await until("the messages", async () => (await seen(page)).length === 2);
  assert.deepEqual((await seen(page)).map(({ data, id }) => [data, id]), [
    ["hello", "once-sse"],
    [{ n: 1 }, object.id],
  ]);
});

for (const transport of ["websocket", "sse", "poll"])
  inBrowsers(`JSON, text and bytes stay what they are over ${transport}, there and back`, async ({ browser }) => {
    await open(browser, ["a"], { transports: [transport] });
    await page.evaluate(() => {
      window.kinds = [];
      const kind = (value) => (value instanceof Uint8Array ? `bytes ${value}` : JSON.stringify(value));
      push.subscribe("a", (m) => kinds.push([kind(m.data), m.id]));
    });
    const values = [{ a: [1, null, "é\u2028"] }, [], 1.5, true, false, null, "text", '{"not":"parsed"}', ""];
    for (const value of values) await publish(server, "a", value);
    await publish(server, "a", Buffer.from([0, 255]), "&id=named");
    await page.evaluate(async (values) => {
      for (const [n, value] of [...values, Uint8Array.of(0, 255)].entries()) await push.send("a", value, { id: `sent-${n}` });
    }, values);
    const count = 2 * (values.length + 1);
    await until("all of them", () => page.evaluate((count) => kinds.length >= count, count));
    const wanted = [...values.map((value) => JSON.stringify(value)), "bytes 0,255"];
    const kinds = await page.evaluate(() => kinds);
    assert.deepEqual(kinds.map(([kind]) => kind), [...wanted, ...wanted]);
    assert.deepEqual(kinds.slice(0, wanted.length).map(([, id]) => id ?? "none"), [...values.map(() => "none"), "named"]);
    assert.deepEqual(kinds.slice(wanted.length).map(([, id]) => id), wanted.map((_, n) => `sent-${n}`));
  });

for (const transport of ["websocket", "sse", "poll"])
  inBrowsers(`cursors that were joined over ${transport} resume in another page`, async ({ browser }) => {
    await open(browser, ["a", "b"], { transports: [transport] });
    for (const n of [1, 2, 3]) for (const topic of ["a", "b"]) await publish(server, topic, n);
    await until("six messages", async () => (await seen(page)).length === 6);
    const since = await page.evaluate(() => ({ a: log.find((m) => m.topic === "a" && m.data === 2).cursor, b: subscriptions[1].cursor }));
    await page.close();
    await publish(server, "b", 4);
    page = await openPage(browser, proxy.url);
    await follow(page, ["a", "b"], { options: { transports: [transport] }, since });
    await until("two messages", async () => (await seen(page)).length === 2);
    assert.deepEqual((await seen(page)).map(({ topic, data }) => [topic, data]).sort(), [
      ["a", 3],
      ["b", 4],
    ]);
  });

inBrowsers("a message that is sent before the connection is open waits, and arrives", async ({ browser }) => {
  await open(browser, ["a"]);
  const { pending, reply } = await page.evaluate(async () => {
    push.close();
    push.reconnect();
    const reply = push.send("a", "early");
    return { pending: push.pending, reply: await reply };
  });
  assert.equal(pending, 1);
  assert.equal(reply.offset, 1);
});

inBrowsers("a stock EventSource resumes several topics by itself", async ({ browser }) => {
  page = await openPage(browser, proxy.url);
  await page.evaluate(() => {
    window.log = [];
    window.opened = 0;
    const source = new EventSource("/push/sse?topic=a&topic=b");
    source.onopen = () => opened++;
    const note = (e) => log.push({ ...JSON.parse(e.data), id: e.lastEventId });
    source.onmessage = note;
    source.addEventListener("named", note);
    source.addEventListener("tidewire.gap", () => log.push({ topic: "gap" }));
  });
  await until("the stream", () => page.evaluate(() => opened === 1));
  await publish(server, "a", "1");
  await publish(server, "b", "1", "&event=named");
  await until("two messages", async () => (await seen(page)).length === 2);
  proxy.cut(false);
  await publish(server, "a", "2");
  await publish(server, "b", "2");
  await until("four messages", async () => (await seen(page)).length === 4);
  const log = await seen(page);
  assert.deepEqual(log.filter((m) => m.topic === "a").map((m) => m.data), ["1", "2"]);
  assert.deepEqual(log.filter((m) => m.topic === "b").map((m) => m.data), ["1", "2"]);
  assert.ok(log.every((m) => m.id));
});

inBrowsers("a server that shuts down sends its clients back, whole", async ({ browser }) => {
  await open(browser, ["a"], { backoff: [10, 200] });
  await numbers("a", 1, 10);
  await wholeUntil(10);
  const { address } = server;
  assert.equal((await server.stop("SIGTERM")).code, 0);
  server = await startStandalone(address);
  await until("the gap", async () => (await seen(page)).some((m) => m.gap === "epoch"));
  await publish(server, "a", "after");
  await until("the next message", async () => (await seen(page)).at(-1).data === "after");
  assert.equal((await status(page)).transport, "websocket");
});
