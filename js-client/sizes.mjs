// Prints how large the client is beside others, all bundled by the same esbuild, and how many lines four programs have with each; the
// programs are in compare.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

process.chdir(import.meta.dirname);

/** What a page imports, and where its programs are. */
const libraries = [
  { name: "tidewire", code: 'export { connect } from "./src/index.ts"', programs: "tidewire" },
  {
    name: "tidewire, with state, upload and tabs",
    code: 'export * from "./src/index.ts"; export * from "./src/state.ts"; export * from "./src/upload.ts"; export * from "./src/tabs.ts"',
  },
  { name: "phoenix", code: 'export { Socket } from "phoenix"' },
  { name: "socket.io-client", code: 'export { io } from "socket.io-client"', programs: "socket.io" },
  { name: "centrifuge", code: 'export { Centrifuge } from "centrifuge"', programs: "centrifuge" },
  {
    name: "@microsoft/signalr",
    code: 'export { HubConnectionBuilder } from "@microsoft/signalr"',
    programs: "signalr",
  },
  { name: "pusher-js", code: 'export { default } from "pusher-js"' },
  {
    name: "ably, its modular build",
    code: 'export { BaseRealtime, FetchRequest, WebSocketTransport } from "ably/modular"',
  },
  { name: "ably", code: 'export { Realtime } from "ably"' },
];
const tasks = ["chat", "prices", "notifications", "upload"];
/** Where the library has nothing for a task. */
const byHand = { upload: "byhand" };

const options = {
  absWorkingDir: import.meta.dirname,
  bundle: true,
  minify: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  logLevel: "error",
  write: false,
};

/** Bytes, minified, and with gzip -9. */
async function size(code) {
  const local = code.includes('"./src/');
  const resolveDir = local ? "." : "compare";
  const { outputFiles } = await build({ ...options, stdin: { contents: code, resolveDir } });
  return { minified: outputFiles[0].contents.length, zipped: gzipSync(outputFiles[0].contents, { level: 9 }).length };
}

/** How many lines of a program are neither empty nor comments. */
const lines = (path) =>
  readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.trim() && !line.trim().startsWith("//")).length;

function program(programs, task) {
  const own = `compare/${programs}/${task}.ts`;
  try {
    return { path: own, text: `${lines(own)}` };
  } catch {
    const path = `compare/${byHand[task]}/${task}.ts`;
    return { path, text: `${lines(path)} (by hand)` };
  }
}

// The programs are whole: they compile, and find all that they import.
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "compare"], { stdio: "inherit" });
const alias = Object.fromEntries(
  ["client", "state", "upload"].map((name) => [
    name === "client" ? "tidewire" : `tidewire/${name}`,
    `./dist/${name}.mjs`,
  ]),
);

const kB = (bytes) => (bytes / 1000).toFixed(1);
const version = (name) => JSON.parse(readFileSync(`compare/node_modules/${name}/package.json`, "utf8")).version;
const rows = [["library", "minified, kB", "gzip -9, kB", ...tasks.map((task) => `${task}, lines`)]];
for (const { name, code, programs } of libraries) {
  const { minified, zipped } = await size(code);
  const counts = [];
  for (const task of tasks) {
    if (!programs) {
      counts.push("");
      continue;
    }
    const { path, text } = program(programs, task);
    await build({ ...options, entryPoints: [path], alias });
    counts.push(text);
  }
  const [peer] = name.split(",");
  const title = peer === "tidewire" ? name : name.replace(peer, `${peer} ${version(peer)}`);
  rows.push([title, kB(minified), kB(zipped), ...counts]);
}
const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
const print = (row) => console.log(`| ${row.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`);
for (const [i, row] of rows.entries()) {
  print(row);
  if (!i) print(widths.map((width) => "-".repeat(width)));
}
