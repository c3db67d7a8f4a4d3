// Builds dist from src: the bundles, their types, and the MANIFEST by which the Go test sees a stale one. Fails if a
// bundle is over its budget.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

process.chdir(import.meta.dirname);

// What only the client's own objects bear, nothing of the API, the wire or the browser.
const internal =
  /^(phase|again|unloaded|refusals|listeners|settle|promise|moveTo|cursorAt|number|serves|served|lost|answered|duplex|sender|watcher|welcomed|heard|begun|which|serving|posts|authenticates|renew|foreign|via|stop|way|flush|newest|follow|leave|sync|reopened|proved|failed|remembered|once|hear|ended|begin|won|sleep|wake|idle|answer|age|quiet)$/;

// Budgets in bytes, min + gzip -9.
const bundles = [
  { out: "dist/client.mjs", entry: "src/index.ts", format: "esm", budget: 8480 },
  { out: "dist/client.js", entry: "src/script.ts", format: "iife", budget: 8480 },
  { out: "dist/state.mjs", entry: "src/state.ts", format: "esm", budget: 1024 },
  { out: "dist/upload.mjs", entry: "src/upload.ts", format: "esm", budget: 2304 },
  { out: "dist/node.mjs", entry: "src/node.ts", format: "esm", budget: 700 },
  { out: "dist/react.mjs", entry: "src/react.ts", format: "esm", budget: 700 },
  { out: "dist/tabs.mjs", entry: "src/tabs.ts", format: "esm", budget: 4096 },
];

// What is imported by the bundles that don't hold it: pages and programs have one copy.
const modules = { "./index.ts": "./client.mjs", "./state.ts": "./state.mjs" };
// An upload's errors are the client's own, so that a page can ask for one what it is an instance of.
const ofUploads = { "./error.ts": "./client.mjs" };
const ofTabs = { "./connect.ts": "./client.mjs", "./error.ts": "./client.mjs" };
const shared = (modules) => ({
  name: "shared",
  setup: ({ onResolve }) =>
    onResolve({ filter: /./ }, ({ path }) => modules[path] && { path: modules[path], external: true }),
});

for (const { out, entry, format, budget } of bundles) {
  const { code, map } = await bundle(entry, format);
  // The server cuts this line off: the map is for those that bundle.
  writeFileSync(out, `${code}\n//# sourceMappingURL=${basename(out)}.map\n`);
  writeFileSync(`${out}.map`, map);
  const size = gzipSync(code, { level: 9 }).length;
  console.log(`${out}: ${code.length} bytes, ${size} gzipped of ${budget}`);
  if (size > budget) {
    console.error(`${out} is over its budget`);
    process.exitCode = 1;
  }
}
declarations("dist/client.d.mts", ["error", "types", "connect"]);
declarations("dist/upload.d.mts", ["upload"], 'import type { Data, Options, PushError } from "./client.mjs";\n');
declarations("dist/state.d.mts", ["state"], 'import type { Data, Push, PushError } from "./client.mjs";\n');
declarations(
  "dist/node.d.mts",
  ["node"],
  'import type { Data, Options, Push } from "./client.mjs";\nexport * from "./client.mjs";\n',
);
declarations(
  "dist/react.d.mts",
  ["react"],
  'import type { Data, MessageOf, Push, PushError, Status, SubscribeOptions } from "./client.mjs";\n',
);

declarations("dist/tabs.d.mts", ["tabs"], 'import type { Data, Options, Push } from "./client.mjs";\n');
writeFileSync(
  "dist/script.d.ts",
  `import type { connect, PushError } from "./client.mjs";
declare global {
  var Tidewire: { connect: typeof connect; PushError: typeof PushError };
}
`,
);

const listed = ["build.mjs", "package-lock.json", "tsconfig.json"];
for (const folder of ["src", "dist"])
  for (const name of readdirSync(folder).sort()) if (name !== "MANIFEST") listed.push(`${folder}/${name}`);
writeFileSync("dist/MANIFEST", listed.map((path) => `${sha256(path)}  ${path}\n`).join(""));

/** One bundle, and its source map without the sources. The second minifier takes off another 5 %. */
async function bundle(entry, format) {
  const { outputFiles } = await build({
    absWorkingDir: import.meta.dirname,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    // What tabs say to each other keeps its names.
    mangleProps: entry === "src/tabs.ts" ? undefined : internal,
    external: ["react", "ws"],
    target: "es2022",
    platform: "browser",
    charset: "utf8",
    format,
    write: false,
    outdir: "dist",
    sourcemap: "external",
    sourcesContent: false,
    plugins: [shared({ "src/upload.ts": ofUploads, "src/tabs.ts": ofTabs }[entry] ?? modules)],
  });
  const [map, built] = outputFiles;
  const options = {
    module: format === "esm",
    ecma: 2022,
    compress: { passes: 3, unsafe_arrows: true, directives: false },
  };
  const minified = await minify(built.text, { ...options, sourceMap: { content: map.text, asObject: true } });
  return { code: minified.code, map: JSON.stringify(minified.map) };
}

/** Writes the compiler's declarations of some files, which import only from each other, or what `imports` says, as one module. */
function declarations(path, names, imports = "") {
  const out = mkdtempSync(join(tmpdir(), "tidewire-"));
  try {
    const flags = ["--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--noEmit", "false", "--outDir", out];
    execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json", ...flags], {
      stdio: "inherit",
    });
    const text = names.map((name) => readFileSync(join(out, `${name}.d.ts`), "utf8")).join("");
    writeFileSync(path, imports + text.replaceAll(/^(import|export (type )?\*) .*;\n/gm, ""));
  } finally {
    rmSync(out, { recursive: true });
  }
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
