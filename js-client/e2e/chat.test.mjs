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

const here = (page) => page.$$eval(at("member"), (items) => items.map((item) => item.querySelector("bdi").textContent + (item.dataset.own === "true" ? " (you)" : "")));
const typing = (page) => page.$eval(at("typing"), (line) => (line.dataset.typing === "true" ? line.textContent.trim() : ""));
const shows = (page, ...names) => until(`${names} are here`, async () => JSON.stringify(await here(page)) === JSON.stringify(names));

/** Opens the chat as somebody who has been there before, and has the name already. */
async function comeBack(name, room) {
  const page = await openPage(chromium.browser, `${server.url}/icon.svg`, { context: await chromium.browser.createBrowserContext() });
  await page.evaluate((name) => localStorage.setItem("tidewire.chat.name", JSON.stringify(name)), name);
  await page.goto(`${server.url}/room/${room}`);
  await until("a connection", async () => (await transport(page)).state === "online");
  return page;
}

test("one sees who is here, and who types", async () => {
  const ann = await comeBack("Ann", "people");
  await shows(ann, "Ann (you)");
  const bob = await comeBack("Bob", "people");
  await shows(ann, "Ann (you)", "Bob");
  await shows(bob, "Bob (you)", "Ann");
  assert.equal(await ann.$eval(at("online"), (count) => count.textContent), "2");

  // While somebody types the others see it, and for three seconds more.
  await bob.type(at("composer"), "Hel");
  await until("Bob types", async () => (await typing(ann)) === "Bob is typing");
  assert.equal(await typing(bob), "");
  await pictures(ann, "chat-people", { width: 1280, height: 800 }, { width: 380, height: 720 });
  await until("Bob has stopped", async () => (await typing(ann)) === "");
  await bob.type(at("composer"), "lo");
  await until("Bob types again", async () => (await typing(ann)) === "Bob is typing");
  await bob.click(at("send"));
  await hears(ann, "Hello");
  await until("Bob has posted", async () => (await typing(ann)) === "", 1500);

  // A page that is loaded again hasn't left, on either transport; one that is closed has, some seconds later.
  await ann.evaluate((member) => {
    window.most = window.least = document.querySelectorAll(member).length;
    new MutationObserver(() => {
      const n = document.querySelectorAll(member).length;
      window.most = Math.max(most, n);
      window.least = Math.min(least, n);
    }).observe(document.querySelector("#members"), { childList: true });
  }, at("member"));
  let longest = 0;
  for (const reload of [() => bob.reload(), () => bob.click(at("force-sse")), () => bob.reload(), () => bob.reload()]) {
    const began = Date.now();
    await reload();
    await until("Bob is back", async () => (await transport(bob)).state === "online");
    await shows(bob, "Bob (you)", "Ann");
    longest = Math.max(longest, Date.now() - began);
  }
  assert.equal((await transport(bob)).name, "sse");
  await ann.evaluate(() => new Promise((done) => setTimeout(done, 7000))); // longer than a leave takes to be told
  // A machine that takes longer than the five seconds of grace has left.
  if (longest < 4000) assert.deepEqual(await ann.evaluate(() => [least, most]), [2, 2]);
  await bob.browserContext().close();
  await shows(ann, "Ann (you)");

  // Where there is little room a button shows who it is.
  const wide = ann.viewport();
  await ann.setViewport({ width: 380, height: 720 });
  const visible = () => ann.$eval(at("member"), (item) => item.checkVisibility());
  await until("no list", async () => !(await visible()));
  await ann.$eval(at("who"), (button) => button.click()); // a real one could miss a button that has just moved
  await until("the list", visible);
  await pictures(ann, "chat-who", { width: 380, height: 720 });
  await ann.keyboard.press("Escape");
  await ann.setViewport(wide);

  // Who is there is that of the room that is open.
  const eve = await comeBack("Eve", "elsewhere");
  await shows(eve, "Eve (you)");
  await ann.goto(`${server.url}/room/elsewhere`);
  await shows(eve, "Eve (you)", "Ann");
  await ann.click('[data-room="random"]');
  await shows(ann, "Ann (you)", "Eve");
  for (const page of [ann, eve]) {
    assert.deepEqual(page.failures, []);
    await page.browserContext().close();
  }
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
