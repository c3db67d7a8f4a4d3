import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventParser } from "../src/eventparser.ts";
import { longestFrame } from "../src/frame.ts";

function parse(pieces: Uint8Array[]): string[] {
  const got: string[] = [];
  const push = eventParser((data) => got.push(data));
  for (const piece of pieces) push(piece);
  return got;
}
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

// The cases of the web platform tests for event streams that concern data.
describe("event streams", () => {
  for (const [name, stream, want] of [
    ["one event", "data: a\n\n", ["a"]],
    ["several lines", "data: a\ndata:b\ndata\ndata:  c\n\n", ["a\nb\n\n c"]],
    ["no space and one space are the same", "data:a\n\ndata: a\n\n", ["a", "a"]],
    ["carriage returns", "data: a\r\rdata: b\r\r", ["a", "b"]],
    ["both", "data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]],
    ["a mixture", "data: a\n\r\ndata: b\r\n\ndata: c\r\r\n", ["a", "b", "c"]],
    ["a byte order mark", "\uFEFFdata: a\n\n", ["a"]],
    ["only one byte order mark", "\uFEFF\uFEFFdata: a\n\ndata: b\n\n", ["b"]],
    ["comments", ": x\n:\n\n:data: x\ndata: a\n: y\n\n", ["a"]],
    ["a field without a colon", "data\n\n", [""]],
    ["an empty field", "data:\n\n", [""]],
    ["two empty fields", "data\ndata\n\n", ["\n"]],
    ["unknown fields", "foo: x\ndata: a\nretry: 5\nevent: e\n\n", ["a"]],
    ["fields in another case or with a prefix", "Data: x\n data: x\ndatax: x\ndata : x\n\ndata: a\n\n", ["a"]],
    ["an id with NUL", "id: a\0b\ndata: a\n\n", ["a"]],
    ["an empty id", "id\ndata: a\n\nid:\ndata: b\n\n", ["a", "b"]],
    ["no data", "event: e\nid: 1\n\ndata: a\n\n", ["a"]],
    ["an event that does not end", "data: a\n\ndata: b\n", ["a"]],
    ["an event that does not begin", "\n\n\n", []],
    ["colons in the value", "data:a:b: c\n\n", ["a:b: c"]],
    ["line separators of other kinds", "data: a\u2028b\u2029c\u0085d\vx\n\n", ["a\u2028b\u2029c\u0085d\vx"]],
    ["NUL in the data", "data: a\0b\n\n", ["a\0b"]],
  ] as [string, string, string[]][]) {
    test(name, () => {
      expect(parse([bytes(stream)])).toEqual(want);
      expect(parse([...bytes(stream)].map((byte) => Uint8Array.of(byte)))).toEqual(want);
    });
  }

  test("a stream cut anywhere gives the same events", () => {
    const piece = fc.constantFrom(
      "data",
      ": ",
      ":",
      " ",
      "\r",
      "\n",
      "\r\n",
      "a",
      "é",
      "😀",
      "\uFEFF",
      "id",
      "event",
      "\n\n",
      "\0",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.array(fc.nat(200), { maxLength: 12 }), (parts, cuts) => {
        const whole = bytes(parts.join(""));
        const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
        const pieces = at.slice(1).map((end, i) => whole.subarray(at[i], end));
        expect(parse(pieces)).toEqual(parse([whole]));
      }),
      { numRuns: 3000 },
    );
  });

  test("agrees with the standard, line by line", () => {
    const line = fc.constantFrom("data: a", "data", "data:b", "data:  c", ": x", "event: e", "id: 1", "", "", "dataz");
    const end = fc.constantFrom("\n", "\r", "\r\n");
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), end, (lines, eol) => {
        const want: string[] = [];
        let data: string[] = [];
        for (const text of lines) {
          if (text === "data") data.push("");
          else if (text.startsWith("data:")) data.push(text.slice(text[5] === " " ? 6 : 5));
          if (text === "" && data.length) want.push(data.join("\n"));
          if (text === "") data = [];
        }
        expect(parse([bytes(lines.map((text) => text + eol).join(""))])).toEqual(want);
      }),
    );
  });

  test("a line that does not end is an error, not a growing heap", () => {
    const push = eventParser(() => {});
    const block = bytes("x".repeat(1 << 20));
    expect(() => {
      for (let sum = 0; sum <= 2 * longestFrame; sum += block.length) push(block);
    }).toThrow();
  });

  test("an event that does not end is an error, too", () => {
    const push = eventParser(() => {});
    const block = bytes(`data: ${"x".repeat(1 << 20)}\n`);
    expect(() => {
      for (let sum = 0; sum <= 2 * longestFrame; sum += block.length) push(block);
    }).toThrow();
  });
});
