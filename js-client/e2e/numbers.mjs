// Numbers that are published on a topic, and that a page must have got.
import assert from "node:assert/strict";
import { seen, until } from "./browser.mjs";
import { publish } from "./server.mjs";

/** Publishes numbers from `first` to `last`, in order. */
export async function numbers(server, topic, first, last) {
  for (let n = first; n <= last; n++) await publish(server, topic, String(n));
}

/** Waits for the number in a page that `follow` has prepared, and asserts that all from 1 to it came once and in order, with no gap. */
export async function wholeUntil(page, topic, last) {
  const there = (topic, last) => log.some((m) => m.topic === topic && m.data === last);
  await until(`number ${last}`, () => page.evaluate(there, topic, String(last)));
  const all = (await seen(page)).filter((m) => m.topic === topic);
  assert.deepEqual(
    all.map((m) => m.data ?? `gap ${m.gap}`),
    Array.from({ length: last }, (_, i) => String(i + 1)),
  );
  return all;
}
