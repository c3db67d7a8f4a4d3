// Event streams as other people's software sees them: proxies that compress, and clients that aren't ours.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { fetchEventSource } from "@microsoft/fetch-event-source";
import compression from "compression";
import { EventSource as NodeEventSource } from "eventsource";
import express from "express";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { startNginx } from "./nginx.mjs";
import { freePort, startProgram } from "./program.mjs";
import { publish, startStandalone } from "./server.mjs";

let server;

beforeEach(async () => {
  server = await startStandalone();
});
afterEach(async () => {
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

const proxies = {
  async "express with compression"(target) {
    const app = express();
    app.use(compression({ threshold: 0, filter: () => true }));
    app.use((from, to) => {
      const { hostname, port } = new URL(target);
      const onward = httpRequest({ hostname, port, path: from.originalUrl, method: from.method, headers: from.headers }, (answer) => {
        to.writeHead(answer.statusCode, answer.headers);
        answer.pipe(to);
      });
      onward.on("error", () => to.destroy());
      to.on("close", () => onward.destroy());
      from.pipe(onward);
    });
    const listener = await new Promise((done) => {
      const listening = app.listen(0, "127.0.0.1", () => done(listening));
    });
    return {
      url: `http://127.0.0.1:${listener.address().port}`,
      async close() {
        listener.closeAllConnections();
        await new Promise((done) => listener.close(done));
      },
    };
  },

  async HAProxy(target) {
    const port = await freePort();
    const folder = mkdtempSync(join(tmpdir(), "tidewire-haproxy-"));
    const config = join(folder, "haproxy.cfg");
    writeFileSync(
      config,
      `defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port}
  compression algo gzip
  compression type text/event-stream application/json
  default_backend b
backend b
  server s ${new URL(target).host}
`,
    );
    const program = await startProgram(port, "haproxy", "-db", "-q", "-f", config);
    return {
      url: `http://127.0.0.1:${port}`,
      async close() {
        await program.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },

  nginx: (target) => startNginx("compressing", new URL(target).host),
};

for (const [name, start] of Object.entries(proxies))
  test(`each event comes at once through ${name}`, async () => {
    const proxy = await start(server.url);
    const stop = new AbortController();
    try {
      const response = await fetch(`${proxy.url}/push/sse?topic=a`, {
        headers: { "Accept-Encoding": "gzip, deflate, br" },
        signal: AbortSignal.any([stop.signal, AbortSignal.timeout(30_000)]),
      });
      assert.equal(response.status, 200);
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      let text = "";
      const until = async (what) => {
        while (!text.includes(what)) {
          const { value, done } = await reader.read();
          assert.ok(!done, `the stream ended before ${what}`);
          text += decoder.decode(value, { stream: true });
        }
      };
      await until("tidewire.welcome");
      for (const data of ["first", "second", "last"]) {
        await publish(server, "a", data);
        await until(`"data":"${data}"`); // nothing follows that could push it on
      }
    } finally {
      stop.abort();
      await proxy.close();
    }
  });

/** Answers as our server does, with heartbeats before, between, and right before and after events. Its /page is an empty page. */
async function heartbeats() {
  const sockets = new Set();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("data", (request) => {
      if (/^GET \/page/.test(request)) return socket.end("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<!doctype html>");
      socket.write(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" +
          ":\nid: 1\nretry: 1000\nevent: tidewire.welcome\ndata: {}\n\n:\n:\nid: 2\nevent: created\ndata: one\n\n:\nid: 3\ndata: two\n\n:\n:\n:\nid: 4\ndata: three\n\n",
      );
    });
  });
  await new Promise((done) => listener.listen(0, "127.0.0.1", done));
  return {
    url: `http://127.0.0.1:${listener.address().port}/`,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => listener.close(done));
    },
  };
}
const wholeEvents = [
  ["tidewire.welcome", "{}", "1"],
  ["created", "one", "2"],
  ["message", "two", "3"],
  ["message", "three", "4"],
];

inBrowsers("heartbeats are no events to EventSource", async ({ browser }) => {
  const source = await heartbeats();
  const page = await openPage(browser, `${source.url}page`);
  try {
    await page.evaluate((url) => {
      window.events = [];
      const source = new EventSource(url);
      for (const name of ["tidewire.welcome", "created", "message"])
        source.addEventListener(name, (e) => window.events.push([e.type, e.data, e.lastEventId]));
    }, source.url);
    await until("four events", () => page.evaluate(() => window.events.length >= 4));
    assert.deepEqual(await page.evaluate(() => window.events), wholeEvents);
  } finally {
    await page.close();
    await source.close();
  }
});

test("heartbeats are no events to the npm package eventsource", async () => {
  const source = await heartbeats();
  const events = [];
  const client = new NodeEventSource(source.url);
  try {
    for (const name of ["tidewire.welcome", "created", "message"])
      client.addEventListener(name, (e) => events.push([e.type, e.data, e.lastEventId]));
    await until("four events", () => events.length >= 4);
    assert.deepEqual(events, wholeEvents);
  } finally {
    client.close();
    await source.close();
  }
});

test("heartbeats are no events to @microsoft/fetch-event-source", async () => {
  const source = await heartbeats();
  const events = [];
  const stop = new AbortController();
  // It is made for pages.
  globalThis.document ??= { hidden: false, addEventListener() {}, removeEventListener() {} };
  globalThis.window ??= globalThis;
  try {
    const ended = fetchEventSource(source.url, {
      signal: stop.signal,
      onmessage: (e) => events.push([e.event || "message", e.data, e.id]),
    });
    await until("four events", () => events.length >= 4);
    assert.deepEqual(events, wholeEvents);
    stop.abort();
    await ended;
  } finally {
    stop.abort();
    await source.close();
  }
});

// In Firefox it never comes back.
const restarts = async ({ browser }) => {
  const page = await openPage(browser, server.url);
  await page.evaluate(() => {
    window.welcomes = 0;
    new EventSource("/push/sse?topic=a").addEventListener("tidewire.welcome", () => window.welcomes++);
  });
  await until("the stream", () => page.evaluate(() => window.welcomes === 1));
  const { address } = server;
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  // In its place is something that only counts the attempts.
  const attempts = [];
  const nobody = createServer((socket) => {
    attempts.push(performance.now());
    socket.on("error", () => {});
    socket.resetAndDestroy();
  });
  const [host, port] = address.split(":");
  await new Promise((done) => nobody.listen(Number(port), host, done));
  try {
    await until("three attempts", () => attempts.length >= 3, 60_000);
  } finally {
    await new Promise((done) => nobody.close(done));
    server = await startStandalone(address);
  }
  // A browser may try at once anew over another connection; what is told is the time between rounds.
  const rounds = attempts.filter((at, i) => i === 0 || at - attempts[i - 1] > 100);
  for (let i = 1; i < rounds.length; i++) assert.ok(rounds[i] - rounds[i - 1] > 900, `came back after ${rounds[i] - rounds[i - 1]} ms`);
  await until("the stream again", () => page.evaluate(() => window.welcomes === 2), 30_000);
  await page.close();
};
inBrowsers("a stock EventSource doesn't hammer a server that restarts", restarts, ["chromium"]);
