// The live page for operators, of a server with 1,000 clients.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { launch, openPage, pictures, until } from "./browser.mjs";
import { publish, startStandalone } from "./server.mjs";

const secret = "0123456789abcdef0123456789abcdef";
const patience = 120_000;
const folder = mkdtempSync(join(tmpdir(), "tidewire-dashboard-"));

/** A token of a user, good for an hour. */
function token(sub) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ sub, iat: now, exp: now + 3600 })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

let chromium;
let server;
const open = []; // what ends each client
before(async () => {
  chromium = await launch();
  const file = join(folder, "secret");
  writeFileSync(file, secret);
  const users = ["-jwt-secret-file", file, "-jwt-algorithms", "HS256"];
  server = await startStandalone(undefined, "-ops", "127.0.0.1:0", ...users, "-limits-queue-bytes", "32MiB");
});
after(async () => {
  for (const end of open) end();
  await chromium.close();
  rmSync(folder, { recursive: true });
  assert.equal((await server.stop()).code, 0);
});

const at = (name) => `[data-testid="${name}"]`;
const text = (page, name) => page.$eval(at(name), (element) => element.textContent);
/** The rows of a table, each as the text of its cells. */
const rows = (page, name) => page.$$eval(`${at(name)} tbody tr`, (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));

/** Follows topics by an event stream; resolves when that has begun. */
const stream = (topics, user) =>
  new Promise((begun, failed) => {
    const request = get(`${server.url}/push/sse?${topics.map((topic) => `topic=${topic}`).join("&")}`, {
      agent: false,
      headers: user ? { authorization: `Bearer ${token(user)}` } : {},
    });
    request.once("response", (response) => {
      response.resume();
      open.push(() => request.destroy());
      if (response.statusCode === 200) begun(request);
      else failed(new Error(`status ${response.statusCode}`));
    });
    request.on("error", failed);
  });

/** Follows a topic by a WebSocket. */
const socket = (topic) =>
  new Promise((begun, failed) => {
    const ws = new WebSocket(`${server.url.replace("http", "ws")}/push/ws?topic=${topic}`);
    open.push(() => ws.terminate());
    ws.once("message", () => begun(ws));
    ws.once("error", failed);
  });

/** Follows a topic as a user who reads 200 kB a second. */
function slow(topic, user) {
  const client = connect(Number(new URL(server.url).port), "127.0.0.1");
  client.write(`GET /push/sse?topic=${topic}&topic=news HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token(user)}\r\n\r\n`);
  client.on("data", () => client.pause());
  client.on("error", () => {});
  const reading = setInterval(() => client.resume(), 300);
  open.push(() => {
    clearInterval(reading);
    client.destroy();
  });
}

/** Publishes to a topic until it is to end, so that about so much waits for those who read slowly. */
function flood(topic, pause) {
  let over = false;
  const run = (async () => {
    while (!over) {
      await publish(server, topic, "x".repeat(50_000));
      await new Promise((done) => setTimeout(done, pause));
    }
  })();
  return () => {
    over = true;
    return run;
  };
}

test("an operator sees 1,000 clients, the slowest of them, and a refused one", async () => {
  const page = await openPage(chromium.browser, `${server.ops}/dashboard`);
  assert.equal(page.url(), `${server.ops}/dashboard/`);
  await until("a snapshot", async () => (await text(page, "badge")) === "Live");
  assert.deepEqual([await text(page, "sessions"), await rows(page, "slowest"), await rows(page, "refused")], ["0", [], []]);

  for (let i = 0; i < 1000; i += 50) {
    const some = Array.from({ length: 50 }, (_, j) => i + j);
    await Promise.all(some.map((n) => (n % 10 < 4 ? socket(`room:${n % 23}`) : stream([`room:${n % 23}`, "news"], n % 5 === 4 ? `user${n}` : undefined))));
  }
  await until("1,000 clients on the page", async () => (await text(page, "sessions")) === "1,000", patience);
  await until("all topics", async () => (await text(page, "subscriptions")) === "1,600", patience);
  await until("the busiest topic", async () => (await rows(page, "busiest"))[0]?.[0] === "news", patience);

  slow("big", "Ada Lovelace");
  const stop = flood("big", 60);
  await until("the slow client among the slowest", async () => (await rows(page, "slowest")).some(([user, queue, , behind]) => user === "Ada Lovelace" && /MB/.test(queue) && /s$/.test(behind)), patience);

  const response = await fetch(`${server.url}/push/sse?topic=news`, { headers: { authorization: "Bearer none" } });
  assert.equal(response.status, 401);
  await until("the refusal", async () => (await rows(page, "refused")).some(([code, , total]) => code === "unauthenticated" && total === "1"), patience);

  await page.click(`${at("slowest")} [data-user="Ada Lovelace"]`);
  await until("what waits for the user", async () => /One connection of Ada Lovelace/.test(await text(page, "answer")) && (await page.$$(at("connection"))).length === 1, patience);
  const follows = await page.$$eval(`${at("connection")} tbody tr`, (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.deepEqual([follows.length, follows[0][0], follows[1][0]], [2, "biglive", "newslive"]);
  const [offset, newest] = follows[0].slice(1, 3).map((n) => Number(n.replace(",", "")));
  assert.ok(offset < newest, `the slow client is at ${offset} of ${newest}`);
  await stop();

  await page.focus(at("pause"));
  await page.keyboard.press("Enter");
  assert.equal(await text(page, "pause"), "Resume");
  await page.keyboard.press("Enter");
  assert.deepEqual(page.failures, []);
  await page.close();
});

test("it looks good on any screen", { skip: !process.env.SCREENSHOTS }, async () => {
  const page = await openPage(chromium.browser, `${server.ops}/dashboard/`);
  const stop = flood("big", 150);
  slow("big", "Grace Hopper");
  for (let i = 0; i < 130; i++) {
    const many = 3 + Math.round(6 * Math.abs(Math.sin(i / 9)));
    await Promise.all(Array.from({ length: many }, (_, j) => publish(server, j % 4 === 0 ? "news" : `room:${(i * j) % 23}`, `message ${i}`)));
    if (i % 40 === 20) await fetch(`${server.url}/push/sse?topic=news`, { headers: { authorization: "Bearer none" } });
    await new Promise((done) => setTimeout(done, 300));
  }
  await page.type(at("name"), "Grace Hopper");
  await page.keyboard.press("Enter");
  await until("the user", async () => /Grace/.test(await text(page, "answer")));
  const full = async (name, width, height) => {
    await page.setViewport({ width, height });
    await pictures(page, name, { width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width} is wide enough`);
  };
  await full("dashboard", 1280, 900);
  await full("dashboard", 380, 800);
  await full("dashboard", 768, 900);
  await stop();
  assert.deepEqual(page.failures, []);
  await page.close();
});
