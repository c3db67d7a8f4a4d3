// The client behind nginx, in five set-ups, while its connections are cut: what it follows arrives once and in order.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { follow, launch, names, openPage, seen, until } from "./browser.mjs";
import { startNginx } from "./nginx.mjs";
import { publish, startStandalone } from "./server.mjs";

/** For how many seconds connections are cut. Without it four times, which must do for a test. */
const cutting = Number(process.env.NETWORKS_TIME ?? 0);
const setUps = ["plain", "stripped", "killed", "buffered", "idle"];
const topics = ["quiet", "busy"];
/** Between two messages on the busy topic. */
const pace = 50;
/** How long something may take on a machine that is busy. */
const patience = 90_000;

const pause = (time) => new Promise((done) => setTimeout(done, time));

/** Publishes numbers, with when they were published. */
function publisher(server, topic) {
  const it = {
    /** The last number. */
    last: 0,
    async next() {
      await publish(server, topic, { n: it.last + 1, at: Date.now() });
      it.last++;
    },
    /** Publishes all the time. Returns a function that ends it. */
    start() {
      let going = true;
      const ended = (async () => {
        while (going) {
          await it.next();
          await pause(pace);
        }
      })();
      return () => {
        going = false;
        return ended;
      };
    },
  };
  return it;
}

/** One page behind one set-up that follows one topic. Errors are kept until all pages are through. */
class Combination {
  errors = [];

  constructor(setUp, topic) {
    Object.assign(this, { setUp, topic, name: `${setUp}, ${topic}` });
  }

  async open(browser, front, published) {
    // Each page has a window of its own, so that none is hidden.
    this.page = await openPage(browser, front.url, { type: "window" });
    await follow(this.page, [this.topic]);
    this.followed = published.last;
  }

  /** Waits until the page has got this number. */
  async has(n) {
    const last = () => this.page.evaluate(() => log.findLast((m) => m.data)?.data.n ?? 0);
    await until(`number ${n}`, async () => (await last()) >= n, patience).catch(async (error) => {
      throw new Error(`${error.message}; ${await last()} was the last, and ${JSON.stringify(await this.page.evaluate(() => states.slice(-5)))}`);
    });
  }

  /** Asserts that all from the first to this number have come once and in order. */
  async whole(last) {
    assert.deepEqual(this.errors, []);
    assert.deepEqual(this.page.failures, []);
    const log = await seen(this.page);
    assert.deepEqual(log.filter((m) => !m.data), [], "no gaps, no errors");
    const numbers = log.map((m) => m.data.n);
    const first = numbers[0];
    assert.ok(first <= this.followed + 1, `${first} is the first, and ${this.followed} was the last when the topic was followed`);
    const wanted = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const once = new Set(numbers);
    const lost = wanted.filter((n) => !once.has(n));
    assert.deepEqual({ lost, doubled: numbers.length - once.size }, { lost: [], doubled: 0 });
    assert.deepEqual(numbers, wanted, "the order");
    // Nothing else gets through there, when there is nothing that could push it on.
    if (this.setUp === "buffered" && this.topic === "quiet") assert.equal(log[0].via, "poll");
  }

  /** How fast it was, in ms. */
  async figures() {
    const log = await seen(this.page);
    const { begun, states } = await this.page.evaluate(() => ({ begun, states }));
    const delays = log.map((m) => m.came - m.data?.at);
    const via = [...new Set(log.map((m) => m.via))].map((name) => `${name} ${log.filter((m) => m.via === name).length}`);
    return {
      messages: log.length,
      // A quiet topic's page has nothing to show before something is published.
      first: this.topic === "busy" ? log[0]?.came - begun : delays[0],
      median: delays.toSorted((a, b) => a - b)[delays.length >> 1],
      connections: states.filter(([state]) => state === "online").length,
      via: via.join(", "),
    };
  }
}

async function behindNginx(name, t) {
  const { browser, close } = await launch(name);
  t.after(close);
  let stop;
  t.after(() => stop?.());
  const server = await startStandalone();
  const fronts = {};
  t.after(() => Promise.all(Object.values(fronts).map((front) => front.close())));
  t.after(async () => assert.deepEqual(await server.stop(), { code: 0, signal: null }));
  for (const setUp of setUps) fronts[setUp] = await startNginx(setUp, server.address);
  const all = setUps.flatMap((setUp) => topics.map((topic) => new Combination(setUp, topic)));
  const each = (what, some = all) => Promise.all(some.map((one) => what(one).catch((error) => one.errors.push(error.message))));
  const published = Object.fromEntries(topics.map((topic) => [topic, publisher(server, topic)]));
  const quiet = all.filter(({ topic }) => topic === "quiet");

  stop = published.busy.start();
  await each((one) => one.open(browser, fronts[one.setUp], published[one.topic]));
  // A quiet topic's first message comes into a silence that was long enough for nginx.
  const silent = all.find(({ setUp, topic }) => setUp === "idle" && topic === "quiet");
  const wasCut = () => silent.page.evaluate(() => states.some(([state]) => state === "waiting"));
  await until("a connection that was silent for too long", wasCut, patience);
  await published.quiet.next();
  await each((one) => one.has(1), quiet);

  const end = Date.now() + cutting * 1000;
  for (let cuts = 0; cuts < 4 || Date.now() < end; cuts++) {
    await Promise.all(Object.values(fronts).map((front) => (cuts % 2 ? front.restart() : front.reload())));
    await pause(cutting ? 2000 + 8000 * Math.random() : 2000);
    if (cutting) await published.quiet.next();
  }
  await stop();
  // What comes twice comes before the last.
  for (const topic of topics) await published[topic].next();
  await each((one) => one.has(published[one.topic].last));
  for (const topic of topics) await published[topic].next();
  await each((one) => one.has(published[one.topic].last));

  for (const one of all) await t.test(one.name, () => one.whole(published[one.topic].last));
  if (cutting) console.table(Object.fromEntries(await Promise.all(all.map(async (one) => [`${name}, ${one.name}`, await one.figures()]))));
}

// Browsers beside each other would slow each other's messages, which counts only where that is measured.
describe("networks", { concurrency: cutting ? 1 : names.length }, () => {
  for (const name of names) test(name, (t) => behindNginx(name, t));
});
