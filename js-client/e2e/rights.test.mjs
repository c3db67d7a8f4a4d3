// A topic is withdrawn from clients that are connected: they lose it, and nothing of their other one.
import assert from "node:assert/strict";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { startServer } from "./server.mjs";

/** Each follows both topics in the page, and gathers their messages, and refusals, in `log`. */
const followers = {
  "our client over a WebSocket": () => follow("websocket"),
  "our client over an event stream": () => follow("sse"),
  "a stock EventSource": () => {
    const source = new EventSource("/push/sse?topic=mine&topic=yours");
    source.onmessage = ({ data }) => note(JSON.parse(data));
    source.addEventListener("tidewire.gap", () => log.push("gap"));
    return new Promise((done) => {
      source.addEventListener("tidewire.welcome", ({ data }) => {
        for (const { topic, error } of JSON.parse(data).topics) if (error) log.push(`${topic}: ${error.code}`);
        done();
      });
    });
  },
};

for (const [name, start] of Object.entries(followers))
  inBrowsers(`${name} loses a topic`, async ({ browser }) => {
    const site = await startServer("internal/members");
    const page = await openPage(browser, `${site.url}/login?user=ann`);
    await page.addScriptTag({ url: "/push/client.js" });
    await page.evaluate(() => {
      window.log = [];
      window.note = ({ topic, data }) => log.push(`${topic}: ${data}`);
      window.follow = async (transport) => {
        const push = Tidewire.connect("/push", { transports: [transport] });
        const handlers = { message: note, gap: () => log.push("gap"), error: (e) => log.push(`yours: ${e.code}`) };
        await Promise.all(["mine", "yours"].map((topic) => push.subscribe(topic, handlers).ready));
      };
      window.publish = async (topic, data) => {
        const response = await fetch(`/push/publish?topic=${topic}`, { method: "POST", body: String(data) });
        if (!response.ok) throw new Error(await response.text());
      };
    });
    await page.evaluate(start);
    const log = () => page.evaluate(() => log);
    await page.evaluate(() => publish("yours", "before"));
    await until("a message", async () => (await log()).includes("yours: before"));

    await page.evaluate(() => fetch("/withdraw?topic=yours", { method: "POST" }));
    let last = 0;
    await until("the refusal", async () => {
      await page.evaluate((n) => publish("mine", n), ++last);
      return (await log()).includes("yours: forbidden");
    });
    await page.evaluate(async (n) => {
      await publish("yours", "after");
      await publish("mine", n);
    }, ++last);
    await until("the last message", async () => (await log()).includes(`mine: ${last}`));

    const mine = Array.from({ length: last }, (_, i) => `mine: ${i + 1}`);
    assert.deepEqual((await log()).filter((line) => line.startsWith("mine")), mine);
    assert.deepEqual((await log()).filter((line) => !line.startsWith("mine")), ["yours: before", "yours: forbidden"]);
    assert.deepEqual(page.failures, []);
    await page.close();
    assert.deepEqual(await site.stop(), { code: 0, signal: null });
  });
