// The prices example: a state that changes faster than a slow page can be told.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, openPage, pictures, until } from "./browser.mjs";
import { startServer } from "./server.mjs";

let chromium;
let server;
before(async () => {
  chromium = await launch();
  server = await startServer("prices");
});
after(async () => {
  await chromium.close();
  assert.equal((await server.stop()).code, 0);
});

const at = (name) => `[data-testid="${name}"]`;
const text = (page, name) => page.$eval(at(name), (element) => element.textContent);
const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const open = async () => (await fetch(`${server.url}/prices.json`)).json();

/** What the page shows, by symbol. */
const shown = (page) =>
  page.$$eval(at("tile"), (tiles) =>
    Object.fromEntries(tiles.map((tile) => [tile.dataset.symbol, tile.querySelector('[data-testid="price"]').textContent])),
  );

/** Closes or opens the market, as the page's button does. */
async function press(page, want) {
  assert.notEqual(await text(page, "open"), want);
  await page.click(at("open"));
  await until(want, async () => (await text(page, "open")) === want);
}

/** Waits until the page says that it has what the server has, and looks whether that is so. */
async function converges(page) {
  await until("all values", async () => /200 of 200/.test(await text(page, "verdict")));
  const prices = await open();
  const want = Object.fromEntries(Object.entries(prices).map(([symbol, { price }]) => [symbol, money.format(price)]));
  await until("the same on the page", async () => {
    const has = await shown(page);
    return Object.keys(want).every((symbol) => has[symbol] === want[symbol]);
  });
  assert.equal(Object.keys(want).length, 200);
  assert.deepEqual(await open(), prices);
}

/** Waits until most prices have changed on the page. */
async function newsOfAll(page) {
  const before = await shown(page);
  await until(
    "other prices",
    async () => {
      const now = await shown(page);
      return Object.keys(now).filter((symbol) => now[symbol] !== before[symbol]).length > 150;
    },
    60_000,
  );
}

test("a page shows what the server has, fast or slow", async () => {
  const page = await openPage(chromium.browser, server.url);
  await until("200 symbols", async () => Object.keys(await shown(page)).length === 200);
  await until("a measured second", async () => Number(await text(page, "changes").then((n) => n.replace(",", ""))) > 100);
  await press(page, "Resume");
  await converges(page);
  await press(page, "Pause");

  await page.click(at("slow"));
  await until("another connection", async () => (await text(page, "connections")) === "2");
  await until("little a second", async () => Number(await text(page, "bytes")) < 15 && Number(await text(page, "changes")) < 400, 60_000);
  await newsOfAll(page);
  await press(page, "Resume");
  await converges(page);
  // A burst after a rest finds the connection with nothing to do.
  await press(page, "Pause");
  for (let i = 0; i < 5; i++) await newsOfAll(page);
  await press(page, "Resume");
  await converges(page);
  assert.deepEqual([await text(page, "connections"), await text(page, "badge")], ["2", "WebSocket"]);
  await press(page, "Pause");
  assert.deepEqual(page.failures, []);
  await page.close();
});

test("it looks good on any screen", { skip: !process.env.SCREENSHOTS }, async () => {
  const page = await openPage(chromium.browser, server.url);
  await page.evaluate(() => new Promise((done) => setTimeout(done, 20_000)));
  await pictures(page, "prices", { width: 1440, height: 900 }, { width: 390, height: 844 });
  await page.click(at("slow"));
  await page.evaluate(() => new Promise((done) => setTimeout(done, 8000)));
  await pictures(page, "prices-slow", { width: 1100, height: 700 });
  await press(page, "Resume");
  await converges(page);
  await pictures(page, "prices-paused", { width: 800, height: 600 }, { width: 390, height: 600 });
  await press(page, "Pause");
  await page.close();
});
