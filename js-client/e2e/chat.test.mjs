// The chat example, as people use it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openPage, pictures, until } from "./browser.mjs";
import { startServer } from "./server.mjs";

let chromium;
let server;
before(async () => {
  chromium = await launch();
  server = await startServer("chat");
});
after(async () => {
  await chromium.close();
  assert.equal((await server.stop()).code, 0);
});

const at = (name) => `[data-testid="${name}"]`;

/** Opens the chat as somebody: each person has a browser profile of their own. */
async function join_(name, room = "lobby") {
  const context = await chromium.browser.createBrowserContext();
  const page = await openPage(chromium.browser, `${server.url}/room/${room}`, { context });
  await page.waitForSelector(at("name"));
  await page.$eval(
    at("name"),
    (field, name) => {
      field.value = name;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    },
    name,
  );
  await until("a connection", async () => (await transport(page)).state === "online");
  return page;
}

const transport = (page) => page.$eval(at("transport"), (badge) => ({ state: badge.dataset.state, name: badge.dataset.transport, text: badge.innerText }));
const texts = (page) => page.$$eval(at("message"), (items) => items.map((item) => item.innerText));

async function say(page, text) {
  await page.type(at("composer"), text);
  await page.click(at("send"));
}

const hears = (page, text) => until(`"${text}"`, async () => (await texts(page)).some((t) => t.includes(text)));

test("two people chat, a third sees the history", async () => {
  const ann = await join_("Ann");
  const bob = await join_("Bob");
  await say(ann, "Hello Bob");
  await hears(bob, "Hello Bob");
  await say(bob, "Hello <b>Ann</b>");
  await hears(ann, "Hello <b>Ann</b>");
  const eve = await join_("Eve");
  await hears(eve, "Hello Bob");
  await hears(eve, "Hello <b>Ann</b>");
  await say(eve, "I have read it all");
  await hears(ann, "I have read it all");
  for (const page of [ann, bob, eve]) {
    await until("all sent", () => page.$$eval(at("message"), (items) => items.every((item) => item.dataset.state === "sent")));
    assert.equal((await texts(page)).length, 3);
    assert.deepEqual(page.failures, []);
  }
  assert.equal((await transport(eve)).name, "websocket");
  await pictures(eve, "chat", { width: 1280, height: 800 }, { width: 380, height: 720 });
  for (const page of [ann, bob, eve]) await page.browserContext().close();
});

test("the switch forces the event stream, and nothing is lost", async () => {
  const ann = await join_("Ann", "switch");
  const bob = await join_("Bob", "switch");
  await say(ann, "over the WebSocket");
  await hears(bob, "over the WebSocket");
  await bob.click(at("force-sse"));
  await say(ann, "in between");
  await until("the event stream", async () => (await transport(bob)).name === "sse");
  await hears(bob, "in between");
  await say(bob, "from the event stream");
  await hears(ann, "from the event stream");
  await bob.click(at("force-sse"));
  await until("the WebSocket", async () => (await transport(bob)).name === "websocket");
  await say(ann, "and back");
  await hears(bob, "and back");
  assert.equal((await texts(bob)).length, 4);
  assert.deepEqual([...ann.failures, ...bob.failures], []);
  for (const page of [ann, bob]) await page.browserContext().close();
});
