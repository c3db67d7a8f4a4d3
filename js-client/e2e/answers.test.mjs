// The answers example: a text that is written while pages come and go.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, pictures, until, watch } from "./browser.mjs";
import { startServer } from "./server.mjs";

let chromium;
let server;
before(async () => {
  chromium = await launch();
  server = await startServer("answers");
});
after(async () => {
  await chromium.close();
  assert.equal((await server.stop()).code, 0);
});

const at = (name) => `[data-testid="${name}"]`;
const text = (page, name) => page.$eval(at(name), (element) => element.textContent);
const received = (page) =>
  page.$eval(at("received"), ({ dataset: { characters, pieces, kept } }) => ({ characters: +characters, pieces: +pieces, kept: +kept }));

/** Opens a page in a window of its own, since what is in a tab behind others isn't painted. It counts the frames of WebSockets. */
async function open(url = server.url) {
  const context = await chromium.browser.createBrowserContext();
  const page = await context.newPage();
  watch(page);
  await page.evaluateOnNewDocument(() => {
    window.frames_ = [];
    const Native = WebSocket;
    window.WebSocket = class extends Native {
      constructor(...args) {
        super(...args);
        this.addEventListener("message", ({ data }) => window.frames_.push(JSON.parse(data)));
      }
    };
  });
  await page.goto(url);
  return page;
}

async function ask(page, question) {
  await page.type(at("ask-text"), question);
  await page.click(at("ask"));
  await until("an answer", async () => (await text(page, "question")) === question);
}

const grows = (page, length) => until(`${length} characters`, async () => (await text(page, "text")).length >= length);
const ends = (page, how) => until(how, async () => (await text(page, "end")) === how, 30_000);

/** What the server has, by a poll. */
async function stored(id, from = server) {
  const { frames } = await (await fetch(`${from.url}/push/poll?wait=0&state=answers/${id}`)).json();
  return Object.fromEntries(frames.flatMap(({ changes = [] }) => changes.map(({ key, data }) => [key, data])));
}
const idOf = (page) => page.url().split("/").at(-1);

test("a page that is loaded again gets only the rest, whatever the transport", async () => {
  const page = await open();
  await ask(page, "What is the tide?");
  const came = [];
  for (const length of [100, 800, 1500, 2200, 2900]) {
    await grows(page, length);
    if (length === 800) await page.select(at("transport"), "sse"); // in the middle of a page, and back
    if (length === 2200) await page.select(at("transport"), "websocket");
    came.push(await received(page));
    await page.reload();
    await until("what was here", async () => (await received(page)).kept >= length);
  }
  await page.select(at("transport"), "sse");
  await ends(page, "Done");
  came.push(await received(page));
  const { text: want } = await stored(idOf(page));
  assert.equal(await text(page, "text"), want);
  // Each page had what the one before had, and got what came since: a reload costs some pieces that were on their way at most.
  for (const { characters, kept } of came.slice(1)) assert.ok(kept > 0 && kept + characters <= want.length + 200, `${kept} + ${characters}`);
  const { characters, kept } = came.at(-1);
  assert.ok(characters < want.length - 2900 + 200, `${characters} of ${want.length}`);
  assert.ok(kept >= 2900 && kept + characters >= want.length, `${kept} and ${characters} of ${want.length}`);
  assert.deepEqual(page.failures, []);
  await page.browserContext().close();
});

test("one that comes late gets the text so far as one value, and the rest", async () => {
  const page = await open();
  await ask(page, "Who looks after the harbour?");
  await grows(page, 1500);
  const late = await open(page.url());
  await grows(late, 1500);
  await pictures(late, "answers-writing", { width: 1000, height: 700 }, { width: 380, height: 720 });
  const frames = await late.evaluate(() => frames_);
  const states = frames.filter(({ type }) => type === "state");
  const has = states.findIndex(({ changes }) => changes.some(({ key, data }) => key === "text" && data.length >= 1400));
  assert.equal(has, 0, `the text so far came by frame ${has} of ${states.length}`);
  const [first, ...others] = states[0].changes.filter(({ key }) => key === "text");
  assert.deepEqual([first.op, others.length], [undefined, 0]);
  assert.equal(await late.$eval(at("stop"), (button) => button.hidden), true);
  for (const each of [page, late]) await ends(each, "Done");
  const { text: want } = await stored(idOf(page));
  for (const each of [page, late]) {
    assert.equal(await text(each, "text"), want);
    assert.deepEqual(each.failures, []);
  }
  await pictures(page, "answers-done", { width: 1000, height: 700 });
  for (const each of [page, late]) await each.browserContext().close();
});

test("whoever has asked stops it, for everybody", async () => {
  const slow = await startServer("answers", ["-rate", "20"]);
  const page = await open(slow.url);
  await ask(page, "Stop me");
  const late = await open(page.url());
  await grows(late, 200);
  const forbidden = await late.evaluate(async () => (await fetch(`${location.pathname}/stop`, { method: "POST" })).status);
  assert.equal(forbidden, 403);
  await page.click(at("stop"));
  for (const each of [page, late]) await ends(each, "Stopped");
  const { text: want } = await stored(idOf(page), slow);
  for (const each of [page, late]) assert.equal(await text(each, "text"), want);
  assert.ok(want.length < 2900);
  await pictures(page, "answers-stopped", { width: 380, height: 720 });
  await page.reload();
  await ends(page, "Stopped");
  for (const each of [page, late]) {
    assert.deepEqual(each.failures, []);
    await each.browserContext().close();
  }
  assert.equal((await slow.stop()).code, 0);
});

test("it is said how an answer has failed, and that there is none", async () => {
  const page = await open();
  await pictures(page, "answers-empty", { width: 1000, height: 700 }, { width: 380, height: 720 });
  await page.click(at("failing"));
  await ends(page, "Failed: the model lost its thread");
  await pictures(page, "answers-failed", { width: 1000, height: 700 });
  await page.goto(`${server.url}/answers/NONE`);
  await ends(page, "There is no such answer, or it is too long ago.");
  await pictures(page, "answers-missing", { width: 1000, height: 500 });
  assert.deepEqual(page.failures, []);
  await page.browserContext().close();
});
