import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Frame } from "../src/frame.ts";
import { type State, state } from "../src/state.ts";
import { constant, cursorAt } from "./cursors.ts";
import { FakeSocket } from "./fakesocket.ts";
import { client, pass, settle, virtualTime } from "./setup.ts";

virtualTime();

const read = (path: string) =>
  JSON.parse(readFileSync(new URL(`../../transport/protocol/testdata/${path}`, import.meta.url), "utf8"));

const epoch = "9f8a6c21d0e4b735";
const snapshot = (topic = "a") => ({ topic, kind: "state", epoch, from: "snapshot" });
const set = (key: string, data: unknown, at?: number): Frame => ({
  type: "state",
  topic: "a",
  changes: [{ key, version: at ?? 1, data }],
  at: at && cursorAt(at).slice(constant),
});
const synced = (offset: number): Frame => ({ type: "synced", topic: "a", epoch, cursor: cursorAt(offset) });

/** The server answers the newest request for topics. */
async function answer(...topics: object[]): Promise<void> {
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.say({ type: "subscribed", id: FakeSocket.last.of("subscribe").at(-1)?.id, topics });
  await settle();
}

/** A client on a WebSocket that follows the state "a" from a snapshot. */
async function follower() {
  const made = client({ transports: ["websocket"] });
  const map = state(made.push, "a");
  const changed: string[][] = [];
  const off = map.onChange((keys) => changed.push([...keys]));
  await answer(snapshot());
  return { ...made, map, changed, off, say: (frame: Frame) => FakeSocket.last.say(frame) };
}

const entries = (map: State): Record<string, unknown> => Object.fromEntries(map);

for (const transport of ["websocket", "sse", "poll"] as const)
  test(`the golden conversation about a state over ${transport}`, async () => {
    type Said = { frame: Frame; cursor: string; map: object; versions: Record<string, string> };
    const [first, ...rest] = read("conversation/state.json").frames as [Said, ...Said[]];
    const { push, server } = client({ transports: [transport] });
    const map = state(push, "prices");
    const mirror = new Map<string, unknown>();
    map.onChange((keys) => {
      for (const key of keys) {
        if (map.has(key)) mirror.set(key, map.get(key));
        else mirror.delete(key);
      }
    });
    let ready = false;
    map.ready.then(() => {
      ready = true;
    });
    await settle();
    if (transport === "sse") {
      server.last().open();
      server.last().say({ ...read("server/welcome_state.json"), topics: first.frame.topics });
      await settle();
    } else if (transport === "poll") {
      server.last().answer(first.cursor, [], first.frame.topics);
      await pass(100);
    } else await answer(...first.frame.topics);
    const cursor = () => push.subscribe("prices", {}, { kind: "state" }).cursor ?? "";
    for (const { frame, cursor: after, map: values, versions } of rest) {
      if (transport === "sse") server.last().say(frame);
      else if (transport === "poll") server.last().answer(after, [frame], []);
      else FakeSocket.last.say(frame);
      await pass(100);
      expect(entries(map)).toEqual(values);
      expect(Object.fromEntries(mirror)).toEqual(values);
      expect(map.size).toBe(Object.keys(values).length);
      for (const key of Object.keys(values)) expect(map.version(key)).toBe(versions[key]);
      expect(cursor()).toBe(after);
      if (frame.type === "synced" || frame.type === "reset") expect(map.synced).toBe(frame.type === "synced");
    }
    expect([ready, map.version("gone"), push.status.state]).toEqual([true, undefined, "online"]);
  });

for (const name of ["state", "state_snapshot", "state_hard_text"])
  test(`the golden frame ${name}`, async () => {
    const frame = read(`server/${name}.json`);
    const { push } = client({ transports: ["websocket"] });
    const map = state(push, frame.topic);
    await answer({ ...snapshot(frame.topic), from: "cursor", cursor: cursorAt(6, frame.topic) });
    FakeSocket.last.say(frame);
    const want = frame.changes
      .filter(({ op }: Frame) => op !== "delete")
      .map(({ key, data, encoding }: Frame) => [key, encoding ? Uint8Array.from(Buffer.from(data, "base64")) : data]);
    expect([...map]).toEqual(want);
    expect(push.status.state).toBe("online");
  });

test("a state is asked for as one, beside logs, over each transport", async () => {
  const { push } = client({ transports: ["websocket"] });
  state(push, "a");
  push.subscribe("b", () => {}, { recent: 5 });
  FakeSocket.last.welcome();
  await settle();
  const topics = [
    { topic: "a", kind: "state" },
    { topic: "b", recent: 5 },
  ];
  expect(FakeSocket.last.of("subscribe")).toEqual([{ type: "subscribe", id: expect.any(Number), topics }]);

  const other = client({ transports: ["sse"] });
  other.push.subscribe("b", () => {}, { recent: 5 });
  state(other.push, "a");
  await settle();
  expect(other.server.last().url.search).toBe("?topic=b&state=a&since=&recent=5");
});

test("resumes from the last place that was told; what is applied twice is the same", async () => {
  const { map, changed, say, push } = await follower();
  say(set("k", "1"));
  FakeSocket.last.end(1006);
  await pass(1000);
  await answer(snapshot()); // it was cut in the snapshot: it begins again
  expect([map.size, changed]).toEqual([0, [["k"], ["k"]]]);
  say(set("k", "ab"));
  say(synced(7));
  await map.ready;
  say(set("k", "abc", 8));
  say({ type: "state", topic: "a", changes: [{ key: "k", op: "append", start: 3, version: 9, data: "d" }] });
  expect(entries(map)).toEqual({ k: "abcd" });
  FakeSocket.last.end(1006);
  await pass(1000);
  expect(entries(map)).toEqual({ k: "abcd" });
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of("subscribe")[0]?.topics).toEqual([{ topic: "a", kind: "state", since: cursorAt(8) }]);
  await answer({ ...snapshot(), from: "cursor", cursor: cursorAt(8) });
  expect([entries(map), map.synced]).toEqual([{ k: "abcd" }, true]);
  say({ type: "state", topic: "a", changes: [{ key: "k", op: "append", start: 3, version: 10, data: "de" }] });
  expect([entries(map), map.version("k"), push.status.state]).toEqual([{ k: "abcde" }, `${epoch}-10`, "online"]);
});

test("all states of a topic share one, until the last is closed", async () => {
  const { push, map, changed, off, say } = await follower();
  say(set("k", 1));
  const other = state(push, "a");
  expect([other.get("k"), other.has("x"), FakeSocket.last.of("subscribe").length]).toEqual([1, false, 1]);
  const also: unknown[] = [];
  other.onChange((keys) => also.push(...keys));
  off();
  say(set("l", 2));
  map.close();
  map.close();
  say(set("m", 3));
  expect([also, changed, FakeSocket.last.of("unsubscribe")]).toEqual([["l", "m"], [["k"]], []]);
  other.close();
  expect(FakeSocket.last.of("unsubscribe")).toEqual([{ type: "unsubscribe", id: expect.any(Number), topics: ["a"] }]);
  expect(state(push, "a").size).toBe(0);
});

test("one that is refused is told why, and may be asked for again", async () => {
  const { push } = client({ transports: ["websocket"] });
  const errors: string[] = [];
  const map = state(push, "a", (error) => errors.push(error.code));
  const refusal = { code: "wrong_kind", reason: "the topic is a log", retry: "never" };
  await answer({ topic: "a", error: refusal });
  await expect(map.ready).rejects.toMatchObject({ code: "wrong_kind" });
  expect(errors).toEqual(["wrong_kind"]);
  const again = state(push, "a");
  await settle();
  await answer(snapshot());
  FakeSocket.last.say(set("k", 1));
  expect([again.get("k"), map.get("k")]).toEqual([1, undefined]);
});

test("a topic is a state or a log", async () => {
  const { push, say, map } = await follower();
  expect(() => push.subscribe("a", () => {})).toThrow("wrong_kind");
  push.subscribe("b", () => {});
  expect(() => state(push, "b")).toThrow("wrong_kind");
  say({ type: "message", topic: "a", data: "x" });
  say({ type: "gap", topic: "a", reason: "trimmed" });
  say({ ...set("k", 1), topic: "b" });
  say({ ...set("k", 1), topic: "nobody's" });
  expect([map.size, push.status.state]).toEqual([0, "online"]);
});

for (const [name, changes] of Object.entries({
  "no list": {},
  "a change that is none": [null],
  "an unknown operation": [{ key: "k", op: "add", version: 1, data: "" }],
  "no data": [{ key: "k", version: 1 }],
  "binary that is no text": [{ key: "k", version: 1, encoding: "base64", data: {} }],
}))
  test(`changes with ${name} are a violation, and the client resumes`, async () => {
    const { states, say } = await follower();
    say({ type: "state", topic: "a", changes });
    expect(states.at(-1)).toMatchObject({ state: "waiting", error: { code: "protocol_violation" } });
  });

test("a move from a cursor that the server hasn't said is a violation", async () => {
  const { states, say, map } = await follower();
  say(set("k", 1, 7));
  expect([map.size, states.at(-1)?.error?.code]).toEqual([0, "protocol_violation"]);
});
