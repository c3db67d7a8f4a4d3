// The client in Node, which has no WebSocket of its own before version 22.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { on } from "node:events";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { startProxy } from "./proxy.mjs";
import { publish, startStandalone } from "./server.mjs";

const client = new URL("../dist/node.mjs", import.meta.url).href;

let server;
before(async () => {
  server = await startStandalone("127.0.0.1:0");
});
after(() => server.stop());

/** Runs a program that may use `Tidewire` and `url`, and say() things. */
function run(url, program) {
  const code = `
    import * as Tidewire from ${JSON.stringify(client)};
    const url = ${JSON.stringify(url)};
    const say = (thing) => console.log(JSON.stringify(thing));
    ${program}`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = on(createInterface({ input: child.stdout }), "line", { close: ["close"] });
  const exited = new Promise((done) => child.once("exit", (code, signal) => done({ code, signal })));
  return {
    /** The next thing that it says. */
    async hears() {
      const { value, done } = await lines.next();
      assert.ok(!done, "the program has ended");
      return JSON.parse(value[0]);
    },
    /** Lets the program go on that awaits its standard input. */
    goOn: () => child.stdin.end(),
    exited,
  };
}

const followed = (transports) => `
  const push = Tidewire.connect(url, { transports: ${JSON.stringify(transports)}, backoff: [10, 100] });
  let own;
  const came = new Promise((done) => (own = done));
  const sub = push.subscribe("a", ({ data }) => {
    say(data instanceof Uint8Array ? { bytes: [...data] } : data);
    if (data[0] === 7) own();
  });
  await sub.ready;
  say(push.status.transport);`;

for (const transport of ["websocket", "sse", "poll"])
  test(`messages, a cut and the end over ${transport}`, async () => {
    const proxy = await startProxy(server.address);
    const program = run(
      `${proxy.url}/push`,
      `${followed([transport])}
      for await (const _ of process.stdin);
      await push.send("a", new Uint8Array([7]));
      await came;
      push.close();`,
    );
    assert.equal(await program.hears(), transport);
    await publish(server, "a", "text");
    assert.equal(await program.hears(), "text");
    await publish(server, "a", { a: [1, null] });
    assert.deepEqual(await program.hears(), { a: [1, null] });
    await publish(server, "a", new Uint8Array([0, 255]));
    assert.deepEqual(await program.hears(), { bytes: [0, 255] });

    // What is published while it is away comes when it is back.
    proxy.away = true;
    proxy.cut();
    await publish(server, "a", "missed");
    proxy.away = false;
    assert.equal(await program.hears(), "missed");

    program.goOn();
    assert.deepEqual(await program.hears(), { bytes: [7] });
    // Nothing keeps the process.
    assert.deepEqual(await program.exited, { code: 0, signal: null });
    await proxy.close();
  });

test("a client that is never used, or is away, keeps no process after close()", async () => {
  const program = run(
    "http://127.0.0.1:9/push",
    `
    Tidewire.connect(url);
    const push = Tidewire.connect(url);
    push.subscribe("a", () => {});
    push.onStatus(({ state }) => {
      if (state !== "waiting") return;
      push.close();
      say(push.status.error instanceof Tidewire.PushError);
    });`,
  );
  assert.equal(await program.hears(), true);
  assert.deepEqual(await program.exited, { code: 0, signal: null });
});

test("a program ends when its server doesn't answer the close", async () => {
  const deaf = await startStandalone();
  const program = run(`${deaf.url}/push`, `${followed(["websocket"])}
    for await (const _ of process.stdin);
    push.close();
    setTimeout(() => process.exit(5), 10_000).unref(); // if anything else keeps it`);
  assert.equal(await program.hears(), "websocket");
  process.kill(deaf.pid, "SIGSTOP");
  try {
    program.goOn();
    assert.deepEqual(await program.exited, { code: 0, signal: null });
  } finally {
    process.kill(deaf.pid, "SIGCONT");
    await deaf.stop();
  }
});

test("a URL that isn't absolute is refused at once", async () => {
  const { connect } = await import(client);
  for (const url of ["/push", "localhost:8080/push", "", "http://", "file:///push"])
    assert.throws(() => connect(url), { name: "TypeError", message: /no absolute URL/ });
  for (const url of ["https://example.com/push", "ws://example.com", new URL("http://example.com")]) connect(url).close();
});
