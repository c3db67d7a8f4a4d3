import type { Frame } from "../src/frame.ts";
import type { WebSocketLike } from "../src/types.ts";
import { constant, cursorAt } from "./cursors.ts";
import { current, outside } from "./fakebrowser.ts";

const epoch = "9f8a6c21d0e4b735";

/** A topic of the fake server: its messages, or the keys that it has, and those that it had. */
class Topic {
  readonly name: string;
  readonly state: boolean;
  readonly log: unknown[] = [];
  readonly keys = new Map<string, { version: number; data?: unknown }>();
  /** How many of the first messages are gone. */
  trimmed = 0;
  head = 0;

  constructor(name: string, state: boolean) {
    this.name = name;
    this.state = state;
  }

  readonly #offsets = new Map<string, number>();

  /** Before the first message it says when it was issued. */
  cursor(offset = this.head): string {
    const cursor = cursorAt(offset, this.name, epoch, offset ? offset * 0x01010101 : Math.floor(Date.now() / 1000));
    this.#offsets.set(cursor, offset);
    return cursor;
  }

  /** -1 if it was never issued. */
  offset(cursor: string): number {
    return cursor.split(".").reduce((known, part) => this.#offsets.get(part) ?? known, -1);
  }

  at = (offset: number): string => this.cursor(offset).slice(constant);

  message(offset: number): Frame {
    return { type: "message", topic: this.name, at: this.at(offset), data: this.log[offset - 1] };
  }

  /** What has changed after an offset, in frames of so many changes, of which the last has the cursor. */
  changes(after: number, inFrame = 2): Frame[] {
    const changed = [...this.keys]
      .filter(([, { version }]) => version > after)
      .sort(([, a], [, b]) => a.version - b.version);
    const frames: Frame[] = [];
    for (let i = 0; i < changed.length; i += inFrame)
      frames.push({
        type: "state",
        topic: this.name,
        changes: changed
          .slice(i, i + inFrame)
          .map(([key, { version, data }]) => (data === undefined ? { key, op: "delete" } : { key, version, data })),
        ...(i + inFrame >= changed.length && { at: this.at(this.head) }),
      });
    return frames;
  }
}

interface Followed {
  readonly topic: Topic;
  offset: number;
}

/** What a client that asks so gets: the answer, and what follows it. */
function begin(topic: Topic, { since, recent, kind }: Frame): { answer: Frame; frames: Frame[] } {
  const { name, head, state } = topic;
  if (state !== (kind === "state"))
    return { answer: { topic: name, error: { code: "wrong_kind", reason: "", retry: "never" } }, frames: [] };
  const known = since === undefined ? undefined : topic.offset(since);
  if (state) {
    const kindly = { topic: name, kind: "state", epoch };
    if (known !== undefined && known >= 0)
      return { answer: { ...kindly, from: "cursor", cursor: since }, frames: topic.changes(known) };
    const whole = topic.changes(0).filter(({ changes }) => changes.some(({ op }: Frame) => !op));
    const frames = [
      ...whole.map(({ at: _, ...frame }) => frame),
      { type: "synced", topic: name, epoch, cursor: topic.cursor() },
    ];
    return { answer: { ...kindly, from: "snapshot" }, frames };
  }
  const messages = (from: number): Frame[] => topic.log.slice(from).map((_, i) => topic.message(from + i + 1));
  const lost = known !== undefined && (known < 0 || known < topic.trimmed);
  const first = Math.max(topic.trimmed, head - (recent ?? 0));
  if (known !== undefined && !lost)
    return { answer: { topic: name, from: "cursor", cursor: since }, frames: messages(known) };
  if (lost) {
    const gap = {
      type: "gap",
      topic: name,
      reason: "trimmed",
      now: { epoch, offset: first },
      cursor: topic.cursor(first),
    };
    return { answer: { topic: name, from: "cursor" }, frames: [gap, ...messages(first)] };
  }
  return {
    answer: { topic: name, from: recent ? "recent" : "now", cursor: topic.cursor(first) },
    frames: messages(first),
  };
}

/** A server in memory: what is published reaches whoever follows, after a while. */
export class FakeServer {
  readonly topics = new Map<string, Topic>();
  readonly states = new Set<string>();
  readonly refused = new Map<string, Frame>();
  readonly sockets = new Set<Socket>();
  /** All messages that clients have sent. */
  readonly sends: Frame[] = [];
  /** Why polls are refused, if they are. */
  noPolls: Frame | undefined;
  /** It can't be reached. */
  away = false;
  handshakes = 0;
  polls = 0;
  /** How long something takes on its way, in milliseconds. */
  latency = (): number => 2;
  /** What a send is answered. */
  reply: (send: Frame) => Frame | undefined = ({ data }) => ({ type: "reply", data });

  topic(name: string): Topic {
    const topic = this.topics.get(name) ?? new Topic(name, this.states.has(name));
    this.topics.set(name, topic);
    return topic;
  }

  publish(name: string, data: unknown): number {
    const topic = this.topic(name);
    topic.log.push(data);
    topic.head++;
    this.#publish(topic);
    return topic.head;
  }

  /** Without data the key is deleted. */
  set(name: string, key: string, data?: unknown): void {
    const topic = this.topic(name);
    topic.head++;
    topic.keys.set(key, { version: topic.head, data });
    this.#publish(topic);
  }

  values(name: string): Record<string, unknown> {
    const keys = [...this.topic(name).keys].filter(([, { data }]) => data !== undefined);
    return Object.fromEntries(keys.map(([key, { data }]) => [key, data]));
  }

  follow(entry: Frame): { answer: Frame; frames: Frame[] } {
    const error = this.refused.get(entry.topic);
    return error ? { answer: { topic: entry.topic, error }, frames: [] } : begin(this.topic(entry.topic), entry);
  }

  get WebSocket(): new (
    url: string,
    protocols?: string,
  ) => WebSocketLike {
    const server = this;
    return class extends Socket {
      constructor() {
        super(server);
      }
    };
  }

  readonly fetch = async (input: string, init?: RequestInit): Promise<Response> => {
    const url = new URL(input);
    const { searchParams: query, pathname } = url;
    if (pathname !== "/push/poll") throw new TypeError("network");
    this.polls++;
    await this.#wait(this.latency(), init?.signal);
    if (this.away) throw new TypeError("network");
    if (this.noPolls) return this.#json(400, this.noPolls);
    const since = query.get("since") || undefined;
    const recent = Number(query.get("recent")) || undefined;
    const asked = [
      ...query.getAll("topic").map((topic) => ({ topic })),
      ...query.getAll("state").map((topic) => ({ topic, kind: "state" })),
    ];
    const ofTopic = (topic: string): string | undefined =>
      since?.split(".").find((part) => part.slice(0, 10) === cursorAt(0, topic).slice(0, 10));
    const until = Date.now() + (query.get("wait") === "0" ? 0 : 25_000);
    while (true) {
      const begun = asked.map((entry) => this.follow({ ...entry, since: ofTopic(entry.topic), recent }));
      const frames = begun.flatMap(({ frames }) => frames);
      const answers = begun.map(({ answer }) => answer);
      const all = answers.every(({ error }) => error);
      if (all) return this.#json(answers[0]?.error.code === "unauthenticated" ? 401 : 403, answers[0]?.error);
      if (frames[0] || Date.now() >= until || answers.some(({ error }) => error)) {
        const followed = asked.filter((_, i) => !answers[i]?.error).map(({ topic }) => this.topic(topic));
        const body = { topics: answers, frames, cursor: followed.map((topic) => topic.cursor()).join(".") };
        await this.#wait(this.latency(), init?.signal);
        return this.#json(200, body);
      }
      await this.#news(until - Date.now(), init?.signal);
    }
  };

  readonly #waiting = new Set<() => void>();

  /** Something is published, or the time is over. */
  async #news(time: number, signal: AbortSignal | null | undefined): Promise<void> {
    let wake!: () => void;
    const news = new Promise<void>((done) => {
      wake = done;
    });
    this.#waiting.add(wake);
    const over = new AbortController();
    signal?.addEventListener("abort", () => over.abort(), { signal: over.signal });
    const ended = this.#wait(time, over.signal);
    ended.catch(() => {});
    await Promise.race([news, ended]).finally(() => {
      this.#waiting.delete(wake);
      over.abort();
    });
  }

  #publish(topic: Topic): void {
    for (const socket of this.sockets) socket.tell(topic);
    for (const wake of this.#waiting) wake();
  }

  #json(status: number, body: unknown): Response {
    return new Response(JSON.stringify(body), { status, headers: { "Content-Type": "application/json" } });
  }

  #wait(time: number, signal: AbortSignal | null | undefined): Promise<void> {
    return new Promise((done, failed) => {
      const abort = (): void => {
        clearTimeout(timer);
        failed(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        done();
      }, time);
      signal?.addEventListener("abort", abort);
    });
  }
}

/** One connection to the server, whose client is in the page that made it. */
export class Socket implements WebSocketLike {
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;
  bufferedAmount = 0;
  readonly page = current();
  readonly #server: FakeServer;
  readonly followed = new Map<string, Followed>();
  #arrives = 0;
  #leaves = 0;

  constructor(server: FakeServer) {
    this.#server = server;
    server.handshakes++;
    if (server.away) {
      setTimeout(() => this.onclose?.({ code: 1006, reason: "" }), server.latency());
      return;
    }
    server.sockets.add(this);
    this.page.whenGone(() => server.sockets.delete(this));
    this.say({ type: "welcome", session: "s", heartbeat: 600_000, features: ["recent", "state"], topics: [] });
  }

  say(frame: Frame): void {
    this.#arrives = Math.max(this.#arrives, performance.now() + this.#server.latency());
    outside(() => {
      if (this.#server.sockets.has(this)) this.page.do(() => this.onmessage?.({ data: JSON.stringify(frame) }));
    }, this.#arrives);
  }

  send(text: string): void {
    const frame: Frame = JSON.parse(text);
    this.#leaves = Math.max(this.#leaves, performance.now() + this.#server.latency());
    outside(() => this.#server.sockets.has(this) && this.#take(frame), this.#leaves);
  }

  #take({ type, id, ...frame }: Frame): void {
    if (type === "ping") this.say({ type: "pong" });
    if (type === "send") {
      this.#server.sends.push(frame);
      const reply = this.#server.reply(frame);
      if (reply) this.say({ ...reply, id });
    }
    if (type === "unsubscribe") {
      for (const topic of frame.topics) this.followed.delete(topic);
      this.say({ type: "unsubscribed", id, topics: frame.topics });
    }
    if (type !== "subscribe") return;
    const begun = frame.topics.map((entry: Frame) => this.#server.follow(entry));
    this.say({ type: "subscribed", id, topics: begun.map(({ answer }: Frame) => answer) });
    for (const { answer, frames } of begun) {
      if (answer.error) continue;
      const topic = this.#server.topic(answer.topic);
      this.followed.set(answer.topic, { topic, offset: topic.head });
      for (const one of frames) this.say(one);
    }
  }

  /** The test says itself what there is. */
  quiet = false;

  /** There is news of the topic. Those of a state come when they have gathered. */
  tell(topic: Topic): void {
    const followed = this.followed.get(topic.name);
    if (!followed || this.quiet) return;
    if (!topic.state) {
      this.say(topic.message(topic.head));
      followed.offset = topic.head;
    } else
      outside(() => {
        if (this.followed.get(topic.name) !== followed || followed.offset === topic.head) return;
        for (const frame of topic.changes(followed.offset)) this.say(frame);
        followed.offset = topic.head;
      }, performance.now() + this.#server.latency());
  }

  /** The server, or something before it, ends the connection. */
  end(code = 1006): void {
    if (this.#server.sockets.delete(this)) this.page.do(() => this.onclose?.({ code, reason: "" }));
  }

  close(): void {
    this.#server.sockets.delete(this);
  }
}
