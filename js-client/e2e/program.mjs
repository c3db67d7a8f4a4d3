// Programs of others that listen on a port.
import { spawn } from "node:child_process";
import { connect, createServer } from "node:net";
import { until } from "./browser.mjs";

/** A port that nobody listens on, from those that no system gives to connections: one that is left for a while isn't taken. */
export async function freePort() {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const listener = createServer();
    const free = await new Promise((done) => listener.on("error", () => done(false)).listen(port, "127.0.0.1", () => done(true)));
    if (!free) continue;
    await new Promise((done) => listener.close(done));
    return port;
  }
}

const listens = (port) =>
  new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => done(true)).on("error", () => done(false));
    socket.on("connect", () => socket.destroy());
  });

/** Keeps a process from outliving this one, or from holding it up, if a test that fails leaves it behind. */
export function endWithUs(child) {
  child.unref();
  child.stdout?.unref();
  process.on("exit", () => child.kill("SIGKILL"));
}

/** Starts a program that listens on a port, and waits until it does. */
export async function startProgram(port, command, ...args) {
  const path = `${process.env.PATH}:/usr/sbin`; // which not everybody's PATH has
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"], env: { ...process.env, PATH: path } });
  let ended;
  const exited = new Promise((done) => child.on("error", done).on("exit", done)).then((how) => (ended = `${how}`));
  await until(`${command} to listen`, () => {
    if (ended !== undefined) throw new Error(`${command} has ended: ${ended}`);
    return listens(port);
  });
  endWithUs(child);
  return {
    signal: (name) => child.kill(name),
    async stop() {
      child.ref();
      child.kill("SIGTERM");
      await exited;
    },
  };
}
