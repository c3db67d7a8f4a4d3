// A page that has a token and no cookie, and so gets tickets for its WebSockets.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { startServer } from "./server.mjs";
import { startSites } from "./sites.mjs";

let sites;
before(async () => {
  sites = await startSites();
});
after(() => sites.close());

inBrowsers("a ticket for each connection, from a page of another site", async ({ browser }) => {
  const origin = sites.at("friend.test");
  const site = await startServer("internal/members", ["-origins", origin]);
  const push = `https://app.test:${new URL(site.url).port}/push`;
  const page = await openPage(browser, origin);
  await page.addScriptTag({ url: `${push}/client.js` });
  await page.evaluate(async (url) => {
    window.log = [];
    window.urls = [];
    window.token = "ann";
    class Noted extends WebSocket {
      constructor(url, protocol) {
        super(url, protocol);
        urls.push(url);
      }
    }
    window.client = Tidewire.connect(url, { transports: ["websocket"], backoff: [10, 100], WebSocket: Noted, token: () => token });
    await client.subscribe("a", ({ data }) => log.push(data)).ready;
  }, push);
  const send = (data) => page.evaluate((data) => client.send("a", data), data);
  assert.equal(await send("1"), "from ann");

  // The page renews who it is while it is connected: it knows what the server calls the connection.
  const refreshed = await page.evaluate(async (url) => {
    const init = { method: "POST", headers: { Authorization: "Bearer ann" } };
    const refresh = async (session) => (await fetch(`${url}/refresh?session=${session}`, init)).status;
    return [await refresh(client.status.session), await refresh(crypto.randomUUID?.() ?? "00000000-0000-4000-8000-000000000000")];
  }, push);
  assert.deepEqual(refreshed, [200, 202]);

  // It goes offline, and comes back with another ticket and its cursor.
  await page.evaluate(async () => {
    client.close();
    client.reconnect();
  });
  assert.equal(await send("2"), "from ann");
  await until("both messages", () => page.evaluate(() => log.length === 2));
  assert.deepEqual(await page.evaluate(() => log), ["1", "2"]);
  const urls = await page.evaluate(() => urls);
  assert.equal(new Set(urls).size, 2);

  // A ticket that was used opens nothing.
  const again = await page.evaluate(
    (url) =>
      new Promise((done) => {
        new WebSocket(url, "tidewire.v1").onclose = ({ code }) => done(code);
      }),
    urls[1],
  );
  assert.equal(again, 4401);

  // Without a good token there is no ticket.
  await page.evaluate(() => {
    token = "";
    client.close();
    client.reconnect();
  });
  await until("the end", () => page.evaluate(() => client.status.error?.code === "unauthenticated"));
  assert.equal(await page.evaluate(() => client.status.state), "closed");
  assert.deepEqual(page.failures, []);
  await page.close();
  assert.deepEqual(await site.stop(), { code: 0, signal: null });
});
