// Chromium and Firefox, as users have them.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import puppeteer from "puppeteer-core";

/** Names of this machine in every browser. */
const hosts = ["app.test", "evil.app.test", "app.test.evil.test", "evil.test", "friend.test"];

/** How long a browser may take to start, or to load a page, on a machine that is busy; in ms. */
const patience = 120_000;

const browsers = {
  chromium(profile) {
    // Not every Chromium keeps third-party cookies back: tests are to see what happens with them.
    mkdirSync(join(profile, "Default"));
    writeFileSync(join(profile, "Default/Preferences"), JSON.stringify({ profile: { cookie_controls_mode: 0 } }));
    return {
      browser: "chrome",
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      // With these a hidden page runs as if it were shown.
      ignoreDefaultArgs: ["--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"],
      args: [
        "--no-sandbox", // the tests may run as root
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        `--host-resolver-rules=${hosts.map((host) => `MAP ${host} 127.0.0.1`)}`,
      ],
    };
  },
  firefox: () => ({
    browser: "firefox", // over WebDriver BiDi
    executablePath: process.env.FIREFOX ?? "/usr/bin/firefox-esr",
    extraPrefsFirefox: {
      "network.cookie.cookieBehavior": 0, // third-party cookies are sent, as above
      "network.dns.localDomains": hosts.join(),
    },
  }),
};

/** The browsers that tests are run in: those that BROWSERS names, or all. */
export const names = process.env.BROWSERS?.split(" ") ?? Object.keys(browsers);

/** Launches a browser with a fresh profile, to which any certificate is good. `options` are Puppeteer's. */
export async function launch(name = "chromium", options = {}) {
  const profile = mkdtempSync(join(tmpdir(), `tidewire-${name}-`));
  const browser = await puppeteer.launch({
    ...browsers[name](profile),
    headless: true,
    userDataDir: profile,
    acceptInsecureCerts: true,
    timeout: patience,
    ...options,
  });
  return {
    name,
    browser,
    async close() {
      await browser.close();
      // Its processes end one after the other, and write until then.
      await until("the profile to be removed", () => {
        try {
          rmSync(profile, { recursive: true, force: true });
          return true;
        } catch {}
      });
    },
  };
}

/** The browsers that the tests of this file share. */
const shared = new Map();
after(() => Promise.all([...shared.values()].map(async (launched) => (await launched).close())));

/** Runs a test in each browser, or in `some`, with what `launch` gives. */
export function inBrowsers(what, run, some = names) {
  for (const name of names.filter((name) => some.includes(name)))
    test(`${name}: ${what}`, async (t) => {
      if (!shared.has(name)) shared.set(name, launch(name));
      await run(await shared.get(name), t);
    });
}

// Firefox counts it among a page's errors if the network fails it, whatever its scripts make of that.
const network = /^(Firefox can’t establish a connection|The connection to|The resource from|Cross-Origin Request Blocked)/;

/** Gathers the errors of a page's scripts in `page.failures`. */
export function watch(page) {
  page.failures = [];
  page.on("pageerror", (error) => network.test(error.message) || page.failures.push(String(error)));
}

/** Opens a page whose script errors fail the test, by `page.failures`. */
export async function openPage(browser, url, { context, ...options } = {}) {
  const page = await (context ?? browser).newPage(options);
  watch(page);
  await page.goto(url, { timeout: patience });
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
      window.begun = Date.now();
      window.push = connect(base, options);
      push.onStatus((status) => states.push([status.state, status.transport, status.error?.code]));
      const subscriptions = topics.map((topic) =>
        push.subscribe(
          topic,
          {
            // WebDriver BiDi doesn't carry bytes.
            message: (m) => log.push({ topic, data: m.data instanceof Uint8Array ? [...m.data] : m.data, id: m.id, cursor: m.cursor, via: push.status.transport, came: Date.now() }),
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

// As text, which WebDriver BiDi carries much faster than objects.
export const seen = async (page) => JSON.parse(await page.evaluate(() => JSON.stringify(log)));
export const status = (page) => page.evaluate(() => ({ ...push.status }));
