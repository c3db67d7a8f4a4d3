// State topics: by a stock EventSource as docs/protocol.md shows, and by the client.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach } from "node:test";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { startProxy } from "./proxy.mjs";
import { publish, startStandalone } from "./server.mjs";

const [, , script] = /<pre id="prices">(.*)<script type="module">\n(.*?)<\/script>/s.exec(
  readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8"),
);

let server;
let proxy;
beforeEach(async () => {
  server = await startStandalone(undefined, "-state", "prices", "-state", "flags/{name}");
  proxy = await startProxy(server.address);
});
afterEach(async () => {
  await proxy.close();
  assert.equal((await server.stop()).code, 0);
});

const change = (op, key, data = "", query = "") => publish(server, "prices", data, `&op=${op}&key=${key}${query}`);

// In Firefox an EventSource gives up on a server that restarts.
const stock = async ({ browser }) => {
  await change("set", "ACME", { px: 1.5 });
  await change("set", "old", "x");
  const page = await openPage(browser, proxy.url);
  await page.setBypassCSP(true);
  await page.reload();
  await page.evaluate(() => document.body.insertAdjacentHTML("beforeend", '<pre id="prices"></pre>'));
  await page.addScriptTag({ type: "module", content: script });
  const shows = (want) =>
    until(JSON.stringify(want), async () => {
      const text = await page.$eval("#prices", (pre) => pre.textContent);
      return text && JSON.stringify(Object.entries(JSON.parse(text)).sort()) === JSON.stringify(Object.entries(want).sort());
    });
  await shows({ ACME: { px: 1.5 }, old: "x" });
  await change("append", "log", "ab😀");
  await change("append", "log", "c");
  await change("delete", "old");
  await shows({ ACME: { px: 1.5 }, log: "ab😀c" });
  for (let i = 0; i < 5; i++) {
    proxy.cut(false);
    await change("append", "log", `${i}`);
    await change("set", "ACME", { px: i });
    await change(i % 2 ? "set" : "delete", "flips", i % 2 ? "there" : "");
  }
  await shows({ ACME: { px: 4 }, log: "ab😀c01234" });
  // The server loses everything: the page forgets what isn't there any more.
  const { address } = server;
  assert.equal((await server.stop()).code, 0);
  server = await startStandalone(address, "-state", "prices");
  await change("set", "new", null);
  await shows({ new: null });
  assert.deepEqual(page.failures, []);
  await page.close();
};
inBrowsers("the page of the protocol mirrors a state by a stock EventSource, whatever is cut", stock, ["chromium"]);

for (const transport of ["websocket", "sse", "poll"])
  inBrowsers(`the client mirrors a state over ${transport}, and changes it if nobody else has`, async ({ browser }) => {
    const { epoch } = await change("set", "ACME", { px: 1.5 });
    const page = await openPage(browser, proxy.url);
    await page.evaluate(async (transport) => {
      const { connect } = await import("/push/client.mjs");
      const { state } = await import("/push/state.mjs");
      window.push = connect("/push", { transports: [transport], backoff: [10, 200] });
      window.prices = state(push, "prices");
      window.refusal = new Promise((refused) => state(push, "news", (error) => refused(error.code)));
      window.messages = [];
      push.subscribe("beside", (message) => messages.push(message.data));
      window.changed = new Set();
      prices.onChange((keys) => {
        for (const key of keys) changed.add(key);
      });
      await prices.ready;
    }, transport);
    const seen = () => page.evaluate(() => Object.fromEntries(prices));
    const shows = (want) =>
      until(JSON.stringify(want), async () => JSON.stringify(Object.entries(await seen()).sort()) === JSON.stringify(Object.entries(want).sort()));
    await shows({ ACME: { px: 1.5 } });
    assert.equal(await page.evaluate(() => refusal), "wrong_kind");
    assert.equal(await page.evaluate(() => push.status.transport), transport);

    const version = await page.evaluate(() => prices.version("ACME"));
    assert.equal(version, `${epoch}-1`);
    const changed = await change("set", "ACME", { px: 2 }, `&if=${version}`);
    await assert.rejects(change("set", "ACME", { px: 3 }, `&if=${version}`), /409 .*"version":"[0-9a-f]{16}-2"/);
    await assert.rejects(change("set", "ACME", { px: 3 }, "&if=absent"), /409 /);
    await assert.rejects(publish(server, "news", "x", "&op=set&key=k"), /409 .*wrong_kind/);
    await assert.rejects(publish(server, "prices", "x"), /409 .*wrong_kind/);
    await shows({ ACME: { px: 2 } });
    assert.equal(await page.evaluate(() => prices.version("ACME")), `${changed.epoch}-${changed.offset}`);

    await change("set", "soon", "gone", "&ttl=300ms");
    for (let i = 0; i < 5; i++) {
      proxy.cut(transport === "websocket");
      await change("append", "log", `😀${i}`);
      await publish(server, "beside", `${i}`);
    }
    await shows({ ACME: { px: 2 }, log: "😀0😀1😀2😀3😀4" });
    await until("all messages", async () => (await page.evaluate(() => messages.length)) === 5);
    assert.deepEqual(await page.evaluate(() => [messages, changed.has("log"), prices.synced]), [["0", "1", "2", "3", "4"], true, true]);
    await page.close();
  });
