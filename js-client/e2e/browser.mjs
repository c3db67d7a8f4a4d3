// One Chromium for a test file.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

/** Launches Chromium with a fresh profile, and `more` flags. */
export async function launch(...more) {
  const profile = mkdtempSync(join(tmpdir(), "tidewire-chromium-"));
  // Not every Chromium keeps third-party cookies back: tests are to see what happens with them.
  mkdirSync(join(profile, "Default"));
  writeFileSync(join(profile, "Default/Preferences"), JSON.stringify({ profile: { cookie_controls_mode: 0 } }));
  const browser = await puppeteer.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    headless: true,
    userDataDir: profile,
    args: [
      "--no-sandbox", // the tests may run as root
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      ...more,
    ],
  });
  return {
    browser,
    async close() {
      await browser.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** Opens a page whose script errors fail the test, by `page.failures`. */
export async function openPage(browser, url, { context } = {}) {
  const page = await (context ?? browser).newPage();
  page.failures = [];
  page.on("pageerror", (error) => page.failures.push(String(error)));
  await page.goto(url);
  return page;
}

/** Keeps pictures for people to look at, light and dark, where SCREENSHOTS names a folder. */
export async function pictures(page, name, ...viewports) {
  const folder = process.env.SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  const before = page.viewport();
  for (const viewport of viewports)
    for (const theme of ["light", "dark"]) {
      await page.setViewport(viewport);
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
      await page.evaluate(() => Promise.all(document.getAnimations().map(({ effect, finished }) => effect.getTiming().iterations < 9 && finished)));
      await page.screenshot({ path: join(folder, `${name}-${viewport.width}-${theme}.png`) });
    }
  await page.setViewport(before);
}

/** Waits until `check`, which runs here, gives something true. */
export async function until(what, check, timeout = 15_000) {
  for (const end = Date.now() + timeout; ; ) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`not in ${timeout} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/**
 * Makes the page follow topics, from where `since` says for each, with the client that the server has in it. What happens is gathered in the page, and read
 * by `seen`.
 */
export async function follow(page, topics, { base = "/push", options = {}, since = {} } = {}) {
  await page.evaluate(
    async (topics, base, options, since) => {
      const { connect } = await import(`${base}/client.mjs`);
      window.log = [];
      window.states = [];
      window.push = connect(base, options);
      push.onStatus((status) => states.push([status.state, status.transport, status.error?.code]));
      const subscriptions = topics.map((topic) =>
        push.subscribe(
          topic,
          {
            message: (m) => log.push({ topic, data: m.data, id: m.id, cursor: m.cursor, via: push.status.transport }),
            gap: (g) => log.push({ topic, gap: g.reason }),
            error: (e) => log.push({ topic, error: e.code }),
          },
          { since: since[topic] },
        ),
      );
      await Promise.all(subscriptions.map((s) => s.ready));
      window.subscriptions = subscriptions;
    },
    topics,
    base,
    options,
    since,
  );
}

export const seen = (page) => page.evaluate(() => log);
export const status = (page) => page.evaluate(() => ({ ...push.status }));
