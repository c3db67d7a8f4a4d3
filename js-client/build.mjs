// Builds dist from src: the two bundles, the types, and the MANIFEST by which the Go test sees a stale one.
// Fails if the module is over its budget.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const budget = 3072; // bytes, min + gzip -9

process.chdir(import.meta.dirname);

const shared = {
  entryPoints: ["src/index.ts"],
  bundle: true,
  minify: true,
  target: "es2022",
  platform: "browser",
  charset: "utf8",
  legalComments: "none",
};
await build({ ...shared, format: "esm", outfile: "dist/client.mjs" });
await build({ ...shared, format: "iife", globalName: "Tidewire", outfile: "dist/client.js" });
writeFileSync("dist/client.d.ts", declarations(["error", "types", "connect"]));

const sources = ["build.mjs", "package-lock.json", "tsconfig.json"].concat(readdirSync("src").sort().map((name) => `src/${name}`));
const outputs = ["client.d.ts", "client.js", "client.mjs"].map((name) => `dist/${name}`);
writeFileSync("dist/MANIFEST", [...sources, ...outputs].map((path) => `${sha256(path)}  ${path}\n`).join(""));

for (const path of outputs.slice(1)) {
  const bytes = readFileSync(path);
  const size = gzipSync(bytes, { level: 9 }).length;
  console.log(`${path}: ${bytes.length} bytes, ${size} gzipped`);
  if (path.endsWith(".mjs") && size >= budget) {
    console.error(`over the budget of ${budget} bytes`);
    process.exitCode = 1;
  }
}

/** The compiler's declarations of these files as one module. They import only from each other. */
function declarations(names) {
  const out = mkdtempSync(join(tmpdir(), "tidewire-"));
  try {
    const flags = ["--declaration", "--emitDeclarationOnly", "--rootDir", "src", "--noEmit", "false", "--outDir", out];
    execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json", ...flags], { stdio: "inherit" });
    const text = names.map((name) => readFileSync(join(out, `${name}.d.ts`), "utf8")).join("");
    return text.replaceAll(/^import .*;\n/gm, "");
  } finally {
    rmSync(out, { recursive: true });
  }
}

function sha256(path) {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}
