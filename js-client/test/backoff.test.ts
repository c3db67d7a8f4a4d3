import { afterEach, expect, test, vi } from "vitest";
import { fullJitter } from "../src/backoff.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("the delay grows to its greatest, and is spread over all of it", () => {
  const delay = (n: number) => fullJitter(n, 500, 30_000);
  vi.spyOn(Math, "random").mockReturnValue(0.999999);
  const most = [0, 1, 2, 3, 4, 5, 6, 50, 5000].map((n) => Math.round(delay(n)));
  expect(most).toEqual([500, 1500, 2500, 4500, 8500, 16500, 30500, 30500, 30500]);
  vi.spyOn(Math, "random").mockReturnValue(0);
  expect([0, 1, 2, 50].map(delay)).toEqual([0, 500, 500, 500]);
});

test("whatever the dice say, there are at most 5 attempts in 2 s", () => {
  vi.spyOn(Math, "random").mockReturnValue(0);
  const delay = (n: number) => fullJitter(n, 500, 30_000);
  let attempts = 0;
  for (let at = 0; at < 2000; at += delay(attempts++));
  expect(attempts).toBeLessThanOrEqual(5);
});
