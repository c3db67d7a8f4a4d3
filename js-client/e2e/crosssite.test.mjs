// Pages of other sites, in a browser that has its user's cookie for the server and sends it with their requests.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { after, afterEach, before } from "node:test";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { startServer } from "./server.mjs";
import { startSites } from "./sites.mjs";

let sites;
let site;
before(async () => {
  sites = await startSites();
});
after(() => sites.close());

let member;
let page;
let push;
const at = (host) => sites.at(host);

/** Starts the server, and logs its user in. */
async function start(browser, ...origins) {
  site = await startServer("internal/members", ["-origins", origins.join()]);
  const port = new URL(site.url).port;
  push = `https://app.test:${port}/push`;
  member = await openPage(browser, `https://app.test:${port}/login?user=ann`);
}
const counts = () => member.evaluate(async () => (await fetch("/counts")).json());

afterEach(async () => {
  for (const tab of new Set([page, member])) await tab.close();
  assert.deepEqual(await site.stop(), { code: 0, signal: null });
  assert.deepEqual([...page.failures, ...member.failures], []);
});

/** Runs in a page: tries everything with the visitor's cookie, and tells what came of it. */
async function tryAll(push) {
  const text = (url, init) =>
    fetch(url, { credentials: "include", ...init }).then(
      async (response) => `${response.status} ${await response.text()}`,
      () => "unreadable",
    );
  const post = (route, init) => text(`${push}/${route}?topic=a`, { method: "POST", body: "by a page", ...init });
  const socket = (...protocols) =>
    new Promise((done) => {
      const socket = new WebSocket(`${push.replace("http", "ws")}/ws?topic=a`, protocols);
      socket.onmessage = ({ data }) => {
        done(JSON.parse(data).type);
        socket.close();
      };
      socket.onclose = ({ code }) => done(`closed with ${code}`);
    });
  const stream = () =>
    new Promise((done) => {
      const source = new EventSource(`${push}/sse?topic=a`, { withCredentials: true });
      const end = (how) => {
        done(how);
        source.close();
      };
      source.addEventListener("tidewire.welcome", () => end("welcome"));
      source.onerror = () => end("failed");
    });
  const fetched = async () => {
    try {
      const stop = new AbortController();
      const response = await fetch(`${push}/sse?topic=a`, { credentials: "include", signal: stop.signal });
      const { value } = await response.body.getReader().read();
      stop.abort();
      return /tidewire\.\w+/.exec(new TextDecoder().decode(value))?.[0] ?? response.status;
    } catch {
      return "unreadable";
    }
  };
  return {
    socket: await socket("tidewire.v1"),
    plainSocket: await socket(),
    eventSource: await stream(),
    fetchedStream: await fetched(),
    send: await post("send"),
    preflighted: await post("send", { headers: { "Content-Type": "application/octet-stream" } }),
    publish: (await post("publish")).replace(/\{.*"offset".*/, "stored"),
  };
}

/** Runs in a page: what needs no leave to be sent, since the page can't read the answer. */
async function tryBlindly(push) {
  for (const route of ["send", "publish"])
    await fetch(`${push}/${route}?topic=a`, { method: "POST", mode: "no-cors", credentials: "include", body: "x" });
  const loaded = (element, attributes) =>
    new Promise((done) => {
      Object.assign(element, attributes, { onload: done, onerror: done });
      document.body.append(element);
    });
  await loaded(document.createElement("img"), { src: `${push}/sse?topic=a` });
  await loaded(document.createElement("script"), { src: `${push}/sse?topic=a` });
  for (const route of ["send", "publish"]) {
    const form = document.createElement("form");
    const frame = document.createElement("iframe");
    frame.name = route;
    document.body.append(form);
    Object.assign(form, { method: "POST", enctype: "text/plain", action: `${push}/${route}?topic=a`, target: route });
    form.append(Object.assign(document.createElement("input"), { name: "x", value: "y" }));
    const sent = loaded(frame, {});
    await sent;
    const answered = new Promise((done) => {
      frame.onload = done;
    });
    form.submit();
    await answered;
  }
}

const refused = {
  socket: "closed with 1006",
  plainSocket: "closed with 1006",
  eventSource: "failed",
  fetchedStream: "unreadable",
  send: "unreadable",
  preflighted: "unreadable",
  publish: "unreadable",
};
const taken = {
  socket: "welcome",
  plainSocket: "welcome",
  eventSource: "welcome",
  fetchedStream: "tidewire.welcome",
  send: '200 {"data":"from ann"}',
  preflighted: '200 {"data":"from ann"}',
  publish: "200 stored",
};

for (const [what, host] of [
  ["another site", "evil.test"],
  ["the same host on another port", "app.test"],
  ["a host below", "evil.app.test"],
  ["a host that begins alike", "app.test.evil.test"],
  ["an IP address", "127.0.0.1"],
])
  inBrowsers(`a page of ${what} gets nothing with its visitor's cookie`, async ({ browser }) => {
    await start(browser);
    page = await openPage(browser, at(host));
    assert.deepEqual(await page.evaluate(tryAll, push), refused);
    await page.evaluate(tryBlindly, push);
    assert.deepEqual(await counts(), { asked: 0, sessions: 0, published: 0 });
  });

inBrowsers("a page without an origin of its own gets nothing", async ({ browser }) => {
  await start(browser, "null");
  page = await openPage(browser, at("evil.test"));
  const answers = await page.evaluate(
    (source, push) =>
      new Promise((done) => {
        addEventListener("message", ({ data }) => done(data));
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        frame.srcdoc = `<script>(${source})(${JSON.stringify(push)}).then((all) => parent.postMessage(all, "*"))</script>`;
        document.body.append(frame);
      }),
    String(tryAll),
    push,
  );
  assert.deepEqual(answers, refused);
  assert.deepEqual(await counts(), { asked: 0, sessions: 0, published: 0 });
});

inBrowsers("a page of the same origin gets all", async ({ browser }) => {
  await start(browser);
  page = await openPage(browser, member.url());
  assert.deepEqual(await page.evaluate(tryAll, push), taken);
});

inBrowsers("a page of a listed origin gets all, with its visitor's cookie", async ({ browser }) => {
  await start(browser, at("friend.test"), "https://another.test");
  page = await openPage(browser, at("friend.test"));
  assert.deepEqual(await page.evaluate(tryAll, push), taken);
  assert.equal((await counts()).published, 3);
});

inBrowsers("a page of a listed origin may send headers of its own, and read Retry-After", async ({ browser }) => {
  await start(browser, at("friend.test"));
  page = await openPage(browser, at("friend.test"));
  const seen = await page.evaluate(async (push) => {
    const init = { credentials: "include", headers: { traceparent: "00-1-1-01", "X-App-Version": "7" } };
    const stop = new AbortController();
    const stream = await fetch(`${push}/sse?topic=a`, { ...init, signal: stop.signal });
    stop.abort();
    const statuses = new Set();
    let retryAfter = null;
    // The server takes 20 messages at once.
    for (let i = 0; i < 200 && retryAfter === null; i++) {
      const sent = await Promise.all(
        Array.from({ length: 30 }, () => fetch(`${push}/send?topic=a`, { ...init, method: "POST", body: "x" })),
      );
      for (const answer of sent) {
        statuses.add(answer.status);
        retryAfter ??= answer.headers.get("Retry-After");
      }
    }
    return { stream: stream.status, statuses: [...statuses].sort(), retryAfter };
  }, push);
  assert.deepEqual(seen, { stream: 200, statuses: [200, 429], retryAfter: "1" });
});

inBrowsers("a page of any origin may import the client, and check its integrity", async ({ browser }) => {
  await start(browser);
  page = await openPage(browser, at("evil.test"));
  // The server leaves the reference to the source map out.
  const [served] = readFileSync(new URL("../dist/client.js", import.meta.url), "utf8").split("\n//# sourceMappingURL=");
  const integrity = `sha256-${createHash("sha256").update(served).digest("base64")}`;
  const loaded = await page.evaluate(async (push, integrity) => {
    const { connect } = await import(`${push}/client.mjs`);
    const script = Object.assign(document.createElement("script"), { src: `${push}/client.js`, crossOrigin: "anonymous", integrity });
    const ran = new Promise((done) => {
      script.onload = () => done("loaded");
      script.onerror = () => done("failed");
    });
    document.body.append(script);
    return [typeof connect, await ran, typeof globalThis.Tidewire?.connect];
  }, push, integrity);
  assert.deepEqual(loaded, ["function", "loaded", "function"]);
});

for (const transport of ["websocket", "sse"])
  inBrowsers(`our client on a listed page, over ${transport}`, async ({ browser }) => {
    await start(browser, at("friend.test"));
    page = await openPage(browser, at("friend.test"));
    await page.addScriptTag({ url: `${push}/client.js` });
    const reply = await page.evaluate(
      async (url, transport) => {
        window.log = [];
        const client = Tidewire.connect(url, {
          transports: [transport],
          fetch: (url, init) => fetch(url, { ...init, credentials: "include" }),
        });
        const subscription = client.subscribe("a", ({ data }) => log.push(data));
        await subscription.ready;
        if (!/^[\da-f-]{36}$/.test(client.status.session)) throw new Error(`session ${client.status.session}`);
        return client.send("a", "hello");
      },
      push,
      transport,
    );
    assert.equal(reply, "from ann");
    await until("the message", () => page.evaluate(() => log[0] === "hello"));
  });

for (const example of ["chat", "echo", "standalone"])
  inBrowsers(`the ${example} example doesn't answer to a name that was made to point to it`, async ({ browser }) => {
    site = await startServer(example);
    const { port } = new URL(site.url);
    page = await openPage(browser, `http://localhost:${port}`);
    member = page;
    const own = await page.evaluate(async () => (await fetch("/")).status);
    const rebound = await page.goto(`http://evil.test:${port}`);
    assert.deepEqual([own, rebound.status()], [200, 421]);
  });
