import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readEvents } from "../src/events.ts";
import { longestFrame } from "../src/frame.ts";

/** A stream of these pieces. */
const streamOf = (pieces: Iterable<Uint8Array>): ReadableStream<Uint8Array> => {
  const iterator = pieces[Symbol.iterator]();
  return new ReadableStream({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
  });
};

async function parse(pieces: Iterable<Uint8Array>): Promise<string[]> {
  const got: string[] = [];
  await readEvents(streamOf(pieces), (data) => {
    if (data !== undefined) got.push(data);
  });
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
    test(name, async () => {
      expect(await parse([bytes(stream)])).toEqual(want);
      expect(await parse([...bytes(stream)].map((byte) => Uint8Array.of(byte)))).toEqual(want);
    });
  }

  test("a stream cut anywhere gives the same events", async () => {
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
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 60 }),
        fc.array(fc.nat(200), { maxLength: 12 }),
        async (parts, cuts) => {
          const whole = bytes(parts.join(""));
          const at = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length];
          const pieces = at.slice(1).map((end, i) => whole.subarray(at[i], end));
          expect(await parse(pieces)).toEqual(await parse([whole]));
        },
      ),
      { numRuns: 3000 },
    );
  });

  test("a piece of nothing between the halves of a line's end", async () => {
    const pieces = ["data: a\r", "", "\ndata: b\r\n\r\n"].map(bytes);
    expect(await parse(pieces)).toEqual(["a\nb"]);
  });

  test("agrees with the standard, line by line", async () => {
    const line = fc.constantFrom("data: a", "data", "data:b", "data:  c", ": x", "event: e", "id: 1", "", "", "dataz");
    const end = fc.constantFrom("\n", "\r", "\r\n");
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 30 }), end, async (lines, eol) => {
        const want: string[] = [];
        let data: string[] = [];
        for (const text of lines) {
          if (text === "data") data.push("");
          else if (text.startsWith("data:")) data.push(text.slice(text[5] === " " ? 6 : 5));
          if (text === "" && data.length) want.push(data.join("\n"));
          if (text === "") data = [];
        }
        expect(await parse([bytes(lines.map((text) => text + eol).join(""))])).toEqual(want);
      }),
    );
  });

  test("tells of every piece, and of the beginning", async () => {
    let signs = 0;
    await readEvents(streamOf([":", " ", "\n"].map(bytes)), (data) => {
      if (data === undefined) signs++;
    });
    expect(signs).toBe(4);
  });

  /** As long as the other side reads. */
  function* endless(text: string): Iterable<Uint8Array> {
    const block = bytes(text);
    for (let sum = 0; sum <= 2 * longestFrame; sum += block.length) yield block;
  }

  test("a line that does not end is an error, not a growing heap", async () => {
    await expect(parse(endless("x".repeat(1 << 20)))).rejects.toBeDefined();
  });

  test("an event that does not end is an error, too", async () => {
    await expect(parse(endless(`data: ${"x".repeat(1 << 20)}\n`))).rejects.toBeDefined();
  });
});
