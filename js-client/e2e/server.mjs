// The Go examples as child processes, built once for a run.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { endWithUs } from "./program.mjs";

const root = resolve(import.meta.dirname, "../..");
const bin = mkdtempSync(join(tmpdir(), "tidewire-e2e-"));
process.on("exit", () => rmSync(bin, { recursive: true, force: true }));

const built = new Map();

function build(name) {
  if (!built.has(name)) {
    const file = join(bin, name.replaceAll("/", "-"));
    execFileSync("go", ["build", "-o", file, `./examples/${name}`], { cwd: root, stdio: "inherit" });
    built.set(name, file);
  }
  return built.get(name);
}

/** Starts an example and waits until it listens. `address` is its host and port, `ops` the URL for operators, if it has one. */
export async function startServer(name, args = [], address = "127.0.0.1:0") {
  const child = spawn(build(name), ["-addr", address, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((done) => child.once("exit", (code, signal) => done({ code, signal })));
  const [url, ops] = await new Promise((found, failed) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const match = line.match(/https?:\/\/[^\s,]+/g);
      if (match) found(match.map((url) => url.replace(/\/$/, "")));
    });
    exited.then((how) => failed(new Error(`${name} has ended: ${JSON.stringify(how)}`)));
  });
  endWithUs(child);
  return {
    url,
    ops,
    address: new URL(url).host,
    pid: child.pid,
    /** Ends the process, and tells how it ended. */
    async stop(signal = "SIGTERM") {
      child.ref();
      child.kill(signal);
      return exited;
    },
  };
}

export const publishKey = "e2e";

/** A standalone server that anyone may use. */
export const startStandalone = (address, ...more) =>
  startServer("standalone", ["-anyone", "-relay", "-publish-key", publishKey, ...more], address);

/** Publishes text, bytes, or any other value as JSON. */
export async function publish(server, topic, data, query = "") {
  const [type, body] =
    typeof data === "string"
      ? ["text/plain", data]
      : data instanceof Uint8Array
        ? ["application/octet-stream", data]
        : ["application/json", JSON.stringify(data)];
  const response = await fetch(`${server.url}/push/publish?topic=${encodeURIComponent(topic)}${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${publishKey}`, "content-type": type },
    body,
  });
  if (!response.ok) throw new Error(`publish: ${response.status} ${await response.text()}`);
  return response.json();
}
