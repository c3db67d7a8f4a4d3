// The upload example: large files over connections that are cut, pages that are reloaded, and a server that starts again.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launch, openPage, pictures, until } from "./browser.mjs";
import { startProxy } from "./proxy.mjs";
import { startServer } from "./server.mjs";

const folder = mkdtempSync(join(tmpdir(), "tidewire-files-"));

let chromium;
let server;
let proxy;
before(async () => {
  chromium = await launch();
  server = await startServer("upload", ["-dir", join(folder, "store")]);
  proxy = await startProxy(server.address);
});
after(async () => {
  await chromium.close();
  await proxy.close();
  assert.equal((await server.stop()).code, 0);
  rmSync(folder, { recursive: true });
});

const at = (name) => `[data-testid="${name}"]`;
const text = (page, name) => page.$eval(at(name), (element) => element.textContent);
const stateOf = (page) => page.$eval(at("card"), (element) => element.dataset.state);
const sent = (page) => page.$eval(at("bar"), ({ value }) => value);

/** Opens a page in a window of its own: one that is behind others isn't painted. */
const open = async (url) => openPage(chromium.browser, url, { context: await chromium.browser.createBrowserContext() });

/** Writes a file that is the same nowhere, and gives its hash. */
function make(name, size) {
  const bytes = Buffer.alloc(size);
  for (let i = 0; i + 4 <= size; i += 4) bytes.writeUInt32LE(Math.imul(i ^ (i >>> 7), 2654435761) >>> 0, i);
  writeFileSync(join(folder, name), bytes);
  return createHash("sha256").update(bytes).digest("hex");
}

async function choose(page, name) {
  const input = await page.$(at("choose"));
  await input.uploadFile(join(folder, name));
}

const ends = (page, hash) =>
  until("the hash", async () => (await stateOf(page)) === "done" && (await text(page, "speed")) === `SHA-256 ${hash}`, 60_000);

test("20 MB arrive whole over connections that are cut, and after a reload", async () => {
  const hash = make("large.bin", 20_000_000);
  const page = await open(proxy.url);
  const other = await open(server.url);
  let pieces = 0;
  page.on("request", (request) => {
    if (request.method() === "PATCH") pieces++;
  });
  await page.click(at("slow"));
  await choose(page, "large.bin");
  for (let i = 1; i <= 3; i++) {
    await until(`cut ${i}`, async () => (await sent(page)) > i * 500_000);
    proxy.cut();
  }
  await until("the rest goes on", async () => (await sent(page)) > 2_500_000, 60_000);
  await page.click(at("toggle"));
  assert.match(await text(page, "status"), /^Paused at \d+ %$/);
  const had = await sent(page);

  await page.reload();
  await until("it is there again", async () => (await page.$(at("card"))) && (await stateOf(page)) === "paused");
  assert.equal(await sent(page), had);
  await until("others see it", async () => /^\d+ % · 20.0 MB$/.test(await text(other, "row-status")));
  pieces = 0;
  await page.click(at("toggle"));
  await ends(page, hash);
  assert.ok(pieces < 40, `${pieces} pieces`);
  await until("others see that", async () => (await text(other, "row-status")) === "done · 20.0 MB");
  assert.deepEqual([...page.failures, ...other.failures], []);
  await page.click(at("cancel"));
  await page.close();
  await other.close();
});

test("a file goes on when the server has started again, and a cancelled one is gone", async () => {
  const hash = make("restart.bin", 6_000_000);
  const page = await open(server.url);
  await page.click(at("slow"));
  await choose(page, "restart.bin");
  await until("a piece", async () => (await sent(page)) > 0);
  await server.stop("SIGKILL");
  await until("it waits", async () => (await stateOf(page)) === "waiting", 60_000);
  server = await startServer("upload", ["-dir", join(folder, "store")], server.address);
  await ends(page, hash);
  await page.click(at("cancel"));

  make("cancelled.bin", 6_000_000);
  await choose(page, "cancelled.bin");
  await until("it is shown", async () => (await page.$$eval(at("row-name"), (rows) => rows.map((row) => row.textContent))).includes("cancelled.bin"));
  await page.click(at("cancel"));
  await until("it is gone", async () => !(await page.$$eval(at("row-name"), (rows) => rows.map((row) => row.textContent))).includes("cancelled.bin"));
  assert.equal(await page.$(at("card")), null);
  assert.deepEqual(page.failures, []);
  await page.close();
});

test("a fast network isn't held back by the rate of messages", async () => {
  const hash = make("fast.bin", 50_000_000);
  const page = await open(server.url);
  const requests = [];
  page.on("request", (request) => requests.push(request.method()));
  await choose(page, "fast.bin");
  await ends(page, hash);
  // Pieces grow, so there are few of them.
  assert.ok(requests.filter((method) => method === "PATCH").length < 60);
  await page.click(at("cancel"));
  await page.close();
});

test("it looks good on any screen", { skip: !process.env.SCREENSHOTS }, async () => {
  const page = await open(server.url);
  await pictures(page, "upload-empty", { width: 1200, height: 760 }, { width: 390, height: 760 });
  for (const [name, size] of [
    ["Harbour at dawn, the long cut.mov", 30_000_000],
    ["tide-tables-2026.csv", 3_000_000],
    ["a name that is much longer than any card is wide, whatever the screen, as some people like to have them.tar.gz", 25_000_000],
  ])
    make(name, size);
  await choose(page, "tide-tables-2026.csv");
  await until("done", async () => (await stateOf(page)) === "done");
  await page.click(at("slow"));
  await choose(page, "Harbour at dawn, the long cut.mov");
  await until("moving", async () => (await sent(page)) > 2_000_000);
  await choose(page, "a name that is much longer than any card is wide, whatever the screen, as some people like to have them.tar.gz");
  await until("moving", async () => (await sent(page)) > 1_500_000);
  await page.$$eval(at("toggle"), ([first]) => first.click());
  await pictures(page, "upload", { width: 1200, height: 760 }, { width: 390, height: 900 }, { width: 760, height: 760 });
  for (const cancel of await page.$$(at("cancel"))) await cancel.click();
  await page.close();
});
