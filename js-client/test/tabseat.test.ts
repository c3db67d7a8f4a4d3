import { expect, test } from "vitest";
import type { Step } from "../src/relay.ts";
import { type Hall, Seat } from "../src/tabseat.ts";
import type { Subscription } from "../src/types.ts";

/** A seat that catches up, and what its tab hears. */
function late(entry: object) {
  const heard: string[] = [];
  const closed: string[] = [];
  const hall: Hall = {
    hear: (frame) => heard.push(frame),
    tell: () => {},
    catchUp: () => ({ close: () => closed.push("subscription") }) as unknown as Subscription,
    caughtUp: () => closed.push("reader"),
    left: () => {},
    end: () => heard.push("end"),
  };
  const seat = new Seat(hall, { topic: "a", ...entry }, 1);
  seat.take({ topic: "a", request: 1, cursor: "c0", whole: true });
  return { seat, heard, closed };
}

const step = (frame: string, from: number, to: number, whole = true): Step => {
  return { frame, before: `c${from}`, cursor: `c${to}`, whole, epoch: undefined, gap: false };
};
const begin = (at: number) => ({ cursor: `c${at}`, whole: true, resumed: true, epoch: undefined });

test("a topic joins the chain where it has come to, and not in the middle of its own changes", async () => {
  const { seat, heard, closed } = late({ kind: "state", since: "c1" });
  seat.begins(begin(1));
  expect(await seat.answer).toEqual({ topic: "a", kind: "state", cursor: "c1", from: "cursor" });
  seat.open();
  seat.said([step("own 1", 1, 1, false)]);
  seat.follow([step("chain 1", 0, 1)]);
  seat.said([step("own 2", 1, 2)]);
  expect([heard, closed]).toEqual([["own 1", "own 2"], []]);
  seat.follow([step("chain 2", 1, 2, true), step("chain 3", 2, 3)]);
  expect([heard, closed]).toEqual([
    ["own 1", "own 2", "chain 3"],
    ["subscription", "reader"],
  ]);
  seat.said([step("own 3", 2, 3)]);
  expect(heard).toHaveLength(3);
});

test("what is for the tab waits until it was answered", () => {
  const { seat, heard } = late({ since: "c3" });
  seat.follow([step("4", 3, 4), step("5", 4, 5)]);
  seat.begins(begin(3));
  seat.said([step("own 4", 3, 4)]);
  expect(heard).toEqual([]);
  seat.open();
  expect(heard).toEqual(["own 4", "5"]);
});

test("the chain is kept as far as it may be of use, within bounds", () => {
  const { seat, heard } = late({ since: "c1500" });
  for (let n = 0; n < 2_000; n++) seat.follow([step(`${n + 1}`, n, n + 1)]);
  seat.open();
  seat.begins(begin(1_500));
  expect([heard.length, heard[0], heard.at(-1)]).toEqual([500, "1501", "2000"]);
  const slow = late({ since: "c500" });
  for (let n = 0; n < 2_000; n++) slow.seat.follow([step(`${n + 1}`, n, n + 1)]);
  slow.seat.open();
  slow.seat.begins(begin(500));
  expect(slow.heard).toEqual([]);
  for (let n = 500; n < 1_200; n++) slow.seat.said([step(`own ${n + 1}`, n, n + 1)]);
  expect([slow.heard.length, slow.heard[500], slow.heard[501]]).toEqual([1_500, "own 1001", "1002"]);
});

test("a step that is missing ends the socket", () => {
  const { seat, heard } = late({ since: "c0" });
  seat.open();
  seat.follow([step("1", 0, 1), step("3", 2, 3)]);
  expect(heard).toEqual(["1", "end"]);
});
