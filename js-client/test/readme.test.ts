import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const text = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8");

/** Patterns for the names of a file's tests. What a name is filled in with is a group. */
function patterns(source: string): RegExp[] {
  const names = [...source.matchAll(/(?:test|inBrowsers)\(\s*(["`])(.*?)\1,/g)].map(([, , name]) => name as string);
  return names.map((name) => {
    const literals = name.split(/\$\{[^}]*\}/);
    return new RegExp(`^${literals.map((literal) => literal.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")).join("(.+)")}$`);
  });
}

/** Whether a file has a test of that name, and names what it is filled in with. */
function has(path: string, name: string): boolean {
  const source = text(path).replaceAll(/(\d)_/g, "$1");
  return patterns(source).some((pattern) => {
    const [found, ...filled] = pattern.exec(name) ?? [];
    return found !== undefined && filled.every((part) => source.includes(part));
  });
}

test("each row on bad networks names tests, and they exist", () => {
  const [, section = ""] = text("README.md").split("## On bad networks\n");
  const [table = ""] = section.trim().split("\n\n");
  const rows = table.split("\n").slice(2);
  expect(rows.length).toBeGreaterThan(10);
  for (const row of rows) {
    const tests = (row.split("|")[3] ?? "").trim().replaceAll("&lt;", "<").split("<br>");
    for (const one of tests) {
      const [, path = "", name = ""] = /^`(\S+)`: (.+)$/.exec(one) ?? [];
      expect(name, row).not.toBe("");
      expect([one, has(path, name)]).toEqual([one, true]);
    }
  }
});

test("a name that no test has isn't found", () => {
  expect(has("test/fallback.test.ts", "where a WebSocket works nothing else is asked for")).toBe(true);
  expect(has("test/fallback.test.ts", "where a WebSocket works nothing is asked for")).toBe(false);
  expect(
    has("test/fallback.test.ts", "an event stream that begins and brings nothing has polls beside it after 3 s"),
  ).toBe(true);
  expect(has("test/fallback.test.ts", "an event stream that never was has polls beside it after 3 s")).toBe(false);
});
