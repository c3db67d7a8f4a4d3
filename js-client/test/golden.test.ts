import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Message } from "../src/types.ts";
import { constant, cursorAt } from "./cursors.ts";
import { fakeFetch } from "./fakefetch.ts";
import { FakeSocket } from "./fakesocket.ts";
import { client, onSocket, onStream, pass, settle, virtualTime } from "./setup.ts";

// The frames that the Go server pins; see docs/protocol.md.
const folder = new URL("../../transport/protocol/testdata/", import.meta.url);
const read = (path: string) => JSON.parse(readFileSync(new URL(path, folder), "utf8"));
const names = (side: string) => readdirSync(new URL(side, folder)).map((name) => name.replace(".json", ""));

virtualTime();
const topic = "orders/42";

/** A client that follows the topics of the golden frames, on a WebSocket. */
async function follower() {
  const made = client({ transports: ["websocket"] });
  const got: Message[] = [];
  const gaps: unknown[] = [];
  for (const name of [topic, "__proto__"])
    made.push.subscribe(name, { message: (m) => void got.push(m), gap: (g) => void gaps.push(g) });
  FakeSocket.last.welcome();
  await settle();
  FakeSocket.last.subscribed();
  return { ...made, got, gaps };
}

describe("frames from the server", () => {
  test("all that the protocol names are there", () => {
    expect(names("server")).toEqual(
      expect.arrayContaining([
        "welcome",
        "message",
        "message_binary",
        "message_full",
        "message_json",
        "message_json_null",
        "message_named",
        "message_without_position",
        "gap",
        "state",
        "synced",
        "reset",
        "subscribed",
        "unsubscribed",
        "reply",
        "reply_binary",
        "reply_empty",
        "reply_json",
        "error",
        "error_of_request",
        "ping",
        "pong",
        "reconnect",
      ]),
    );
  });

  for (const name of names("server").filter((name) => name.startsWith("message"))) {
    const frame = read(`server/${name}.json`);
    test(name, async () => {
      const { push, got } = await follower();
      FakeSocket.last.say(frame);
      const { type, at, encoding, data, ...rest } = frame;
      const bytes = encoding && Uint8Array.from(Buffer.from(data, "base64"));
      const cursor = at && cursorAt(0, frame.topic).slice(0, constant) + at;
      const json = expect.any(Function);
      expect(got).toEqual([{ event: "", key: "", ...rest, cursor, data: encoding ? bytes : data, json }]);
      if (typeof data === "string") expect(() => got[0]?.json()).toThrow(SyntaxError);
      else expect(got[0]?.json()).toEqual(data);
      expect(push.status.state).toBe("online");
    });

    test(`${name} on an event stream`, async () => {
      const { server, push } = await onStream();
      const got: unknown[] = [];
      push.subscribe(frame.topic, (m) => got.push(m.data));
      await pass(100);
      server.last().welcome();
      server.last().say(frame);
      await settle();
      expect(got).toHaveLength(1);
    });
  }

  for (const name of names("server").filter((name) => name.startsWith("gap"))) {
    test(name, async () => {
      const { gaps } = await follower();
      const { type, ...gap } = read(`server/${name}.json`);
      FakeSocket.last.say({ type, ...gap });
      expect(gaps).toEqual([gap]);
    });
  }

  for (const name of names("server").filter((name) => name.startsWith("reply") || name === "error_of_request")) {
    test(name, async () => {
      const { push } = await onSocket();
      const reply = push.send("a", "x");
      const { id } = FakeSocket.last.of("send")[0] as { id: number };
      const frame = read(`server/${name}.json`);
      FakeSocket.last.say({ ...frame, id });
      if (frame.type === "error") return expect(reply).rejects.toMatchObject({ code: frame.code, retry: frame.retry });
      const bytes = frame.encoding && Uint8Array.from(Buffer.from(frame.data, "base64"));
      return expect(await reply).toEqual(frame.encoding ? bytes : frame.data);
    });
  }

  for (const name of names("server").filter((name) =>
    /^(welcome|subscribed|unsubscribed|ping|pong|error|reconnect)/.test(name),
  )) {
    test(`${name} breaks nothing`, async () => {
      const { push } = await follower();
      FakeSocket.last.say(read(`server/${name}.json`));
      await pass(100);
      expect(push.status.state).toBe("online");
    });
  }
});

describe("frames from the client", () => {
  /** The same kinds of values under the same names: `id` and text may be others. */
  const shape = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(shape)
      : value && typeof value === "object"
        ? Object.fromEntries(
            Object.entries(value)
              .sort()
              .map(([key, each]) => [key, key === "type" || key === "encoding" ? each : shape(each)]),
          )
        : value === null
          ? value
          : typeof value;

  const made: Record<string, () => Promise<unknown>> = {
    ping: async () => {
      const { push } = await onSocket();
      push.reconnect();
      return FakeSocket.last.of("ping")[0];
    },
    pong: async () => {
      await onSocket();
      FakeSocket.last.say(read("server/ping.json"));
      return FakeSocket.last.of("pong")[0];
    },
    subscribe: async () => {
      const { push } = client();
      for (const { topic, since } of read("client/subscribe.json").topics) push.subscribe(topic, () => {}, { since });
      FakeSocket.last.welcome();
      await settle();
      return FakeSocket.last.of("subscribe")[0];
    },
    subscribe_state: async () => {
      const { push } = client();
      for (const { topic, kind, since } of read("client/subscribe_state.json").topics)
        push.subscribe(topic, () => {}, { kind, since });
      FakeSocket.last.welcome();
      await settle();
      return FakeSocket.last.of("subscribe")[0];
    },
    unsubscribe: async () => {
      const { sub } = await onSocket();
      sub.close();
      return FakeSocket.last.of("unsubscribe")[0];
    },
    send: async () => {
      const { push } = await onSocket();
      push.send("a", "x", { event: "e" }).catch(() => {});
      return FakeSocket.last.of("send")[0];
    },
    send_json: async () => {
      const { push } = await onSocket();
      push.send("a", read("client/send_json.json").data).catch(() => {});
      return FakeSocket.last.of("send")[0];
    },
    send_json_null: async () => {
      const { push } = await onSocket();
      push.send("a", null).catch(() => {});
      return FakeSocket.last.of("send")[0];
    },
    send_binary: async () => {
      const { push } = await onSocket();
      push.send("a", Uint8Array.of(1), { event: "e" }).catch(() => {});
      return FakeSocket.last.of("send")[0];
    },
  };
  for (const [name, make] of Object.entries(made)) {
    test(name, async () => {
      const golden = read(`client/${name}.json`);
      const frame = (await make()) as Record<string, unknown>;
      for (const key of Object.keys(golden)) expect(Object.keys(frame)).toContain(key);
      const known = Object.fromEntries(
        Object.entries(frame).filter(([key]) => key in golden || !["event", "message"].includes(key)),
      );
      if (name === "unsubscribe") known.topics = golden.topics;
      expect(shape(known)).toEqual(shape(golden));
    });
  }
});

describe("a conversation about cursors", () => {
  type Said = { frame: Record<string, unknown>; cursor: string };
  const [first, ...rest] = read("conversation/cursors.json").frames as [Said, ...Said[]];
  const answers = first.frame.topics as { topic: string; cursor: string }[];

  for (const transport of ["websocket", "sse"] as const)
    test(`over ${transport}`, async () => {
      const { push, server } = client({ transports: [transport] });
      const said: unknown[] = [];
      const note = ({ cursor }: { cursor: string | undefined }) => void said.push(cursor);
      const subs = answers.map(({ topic }) => push.subscribe(topic, { message: note, gap: note }));
      const cursor = () => subs.map((sub) => sub.cursor).join(".");
      await settle();
      const say = async (frame: object): Promise<void> => {
        if (transport === "sse") server.last().say(frame);
        else FakeSocket.last.say(frame);
        await settle();
      };
      if (transport === "sse") {
        server.last().open();
        await say({ ...read("server/welcome.json"), topics: answers });
      } else {
        FakeSocket.last.welcome();
        await settle();
        await say({ ...first.frame, id: FakeSocket.last.of("subscribe")[0]?.id });
      }
      expect(cursor()).toBe(first.cursor);
      for (const { frame, cursor: after } of rest) {
        await say(frame);
        expect(cursor()).toBe(after);
        const moved = "at" in frame || "cursor" in frame;
        const own = after.split(".")[answers.findIndex(({ topic }) => topic === frame.topic)];
        expect(said.pop()).toBe(moved ? own : undefined);
      }
      expect(push.status.state).toBe("online");
    });
});

test("the fake server writes cursors as the real one does", () => {
  const [{ topic, cursor }] = read("server/subscribed.json").topics;
  expect(cursorAt(7, topic, "9f8a6c21d0e4b735", 0x01020304)).toBe(cursor);
  const far = read("server/gap.json");
  expect(cursorAt(far.now.offset, topic, far.now.epoch, 0x01020304)).toBe(far.cursor);
});

test("the fake server speaks of the same paths as the protocol", async () => {
  const text = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  for (const path of ["/push/ws", "/push/sse", "/push/send"]) expect(text).toContain(path);
  expect(fakeFetch().requests).toEqual([]);
});
