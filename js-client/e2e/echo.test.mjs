// The WebSocket library alone, by the WebSockets of browsers and of Node, compressed and not.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { inBrowsers, openPage, until } from "./browser.mjs";
import { startServer } from "./server.mjs";

/** Runs in the page or in Node: echoes texts and binaries of many sizes and tells what came back wrong. */
async function exchange(url) {
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  const messages = [];
  let woken = () => {};
  socket.onmessage = (event) => {
    messages.push(event.data);
    woken();
  };
  await new Promise((done, failed) => {
    socket.onopen = done;
    socket.onerror = () => failed(new Error("no connection"));
  });
  const next = async () => {
    while (messages.length === 0) {
      await new Promise((done) => {
        woken = done;
      });
    }
    return messages.shift();
  };
  const wrong = [];
  for (const size of [0, 1, 125, 126, 127, 1000, 65535, 65536, 1 << 20]) {
    const text = "ü€😀a".repeat(Math.ceil(size / 5)).slice(0, size & ~1);
    socket.send(text);
    if ((await next()) !== text) wrong.push(`text of ${size}`);
    const bytes = new Uint8Array(size).map((_, i) => (i * 31) ^ (i >> 8));
    socket.send(bytes);
    const back = new Uint8Array(await next());
    if (back.length !== size || back.some((b, i) => b !== bytes[i])) wrong.push(`binary of ${size}`);
  }
  for (let i = 0; i < 500; i++) socket.send(String(i));
  for (let i = 0; i < 500; i++) if ((await next()) !== String(i)) wrong.push(`number ${i}`);
  const closed = new Promise((done) => {
    socket.onclose = (event) => done(event);
  });
  socket.close(4321, "done");
  const { code, reason, wasClean } = await closed;
  return { wrong, code, reason, wasClean, extensions: socket.extensions };
}

for (const deflate of [false, true]) {
  const how = deflate ? "compressed" : "not compressed";
  inBrowsers(how, async ({ browser }) => {
    const server = await startServer("echo", deflate ? ["-deflate"] : []);
    const page = await openPage(browser, server.url);
    const result = await page.evaluate(exchange, `${server.url.replace("http", "ws")}/echo`);
    assert.deepEqual({ ...result, extensions: result.extensions.startsWith("permessage-deflate") }, {
      wrong: [], code: 4321, reason: "done", wasClean: true, extensions: deflate,
    });
    assert.deepEqual(page.failures, []);
    await page.close();
    assert.equal((await server.stop()).code, 0);
  });

  test(`Node, ${how}`, async () => {
    const server = await startServer("echo", deflate ? ["-deflate"] : []);
    const script = `${exchange}; exchange(${JSON.stringify(`${server.url.replace("http", "ws")}/echo`)}).then((r) => console.log(JSON.stringify(r)))`;
    const flags = globalThis.WebSocket ? [] : ["--experimental-websocket"];
    const child = spawn(process.execPath, [...flags, "--no-warnings", "--eval", script], { stdio: ["ignore", "pipe", "inherit"] });
    let out = "";
    child.stdout.on("data", (data) => (out += data));
    await new Promise((done) => child.once("close", done));
    const result = JSON.parse(out);
    assert.deepEqual({ ...result, extensions: result.extensions.startsWith("permessage-deflate") }, {
      wrong: [], code: 4321, reason: "done", wasClean: true, extensions: deflate,
    });
    assert.equal((await server.stop()).code, 0);
  });
}

inBrowsers("a message over the limit closes with 1009", async ({ browser }) => {
  const server = await startServer("echo", ["-max-message", "1000"]);
  const page = await openPage(browser, server.url);
  const code = await page.evaluate(
    (url) =>
      new Promise((done) => {
        const socket = new WebSocket(url);
        socket.onopen = () => socket.send("x".repeat(1001));
        socket.onclose = (event) => done(event.code);
      }),
    `${server.url.replace("http", "ws")}/echo`,
  );
  assert.equal(code, 1009);
  await page.close();
  await server.stop();
});

inBrowsers("the page shows what happens", async ({ browser }) => {
  const server = await startServer("echo");
  const page = await openPage(browser, server.url);
  const text = () => page.evaluate(() => document.body.innerText);
  await until("the page", async () => /readyState/i.test(await text()));
  assert.match(await text(), /bufferedAmount/i);
  assert.deepEqual(page.failures, []);
  await page.close();
  await server.stop();
});
