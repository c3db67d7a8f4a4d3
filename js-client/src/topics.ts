import { fullJitter } from "./backoff.ts";
import type { PushError } from "./error.ts";
import { caught, toError } from "./failure.ts";
import { type Frame, toChange, toMessage } from "./frame.ts";
import { notify } from "./notify.ts";
import { Timer } from "./timer.ts";
import { Topic } from "./topic.ts";
import type { SubscribeOptions } from "./types.ts";

/** What one request asks for: in topics, and in bytes, of which a frame of a client has 64 KiB. */
const mostAsked = 100;
const longestRequest = 48_000;
/** So many topics a server lets a connection ask for at once, and so many more each second. */
const burst = 800;
/** How long topics are gathered, in milliseconds, before an event stream or a poll is reopened with them. */
const gathering = 100;
/** No server should be able to send a topic away for hours. */
export const longestWait = 3e5;

/** The connection, as the topics see it. */
export interface Carrier {
  /** A link serves. */
  readonly online: boolean;
  /** Why there is none, and will be none. */
  readonly closed: PushError | undefined;
  /** It takes frames. */
  readonly duplex: boolean;
  write(frame: Frame): void;
  /** Opens it, or opens it anew, with the topics that are wanted. */
  open(): void;
  reopen(): void;
  /** Topics were answered. */
  answered(): void;
}

const bytes = new TextEncoder();

/** Of a request; each is used once in this page. */
let lastId = 0;
export const nextId = (): number => ++lastId;

/** All topics of a client: what was asked for them, and what comes of them. */
export class Topics {
  readonly #topics = new Map<string, Topic>();
  readonly #carrier: Carrier;
  readonly #backoff: readonly [least: number, greatest: number];
  readonly #later = new Timer();
  /** The request that is not answered yet, of which there is one at a time, and how many topics this link was asked for. */
  #request: number | undefined;
  #asked = 0;
  #count = 0;

  constructor(carrier: Carrier, backoff: readonly [number, number]) {
    this.#carrier = carrier;
    this.#backoff = backoff;
  }

  /** The number of the newest topic. */
  get newest(): number {
    return this.#count;
  }

  /** Those that a link is to be opened with. */
  open(): Topic[] {
    return this.#at("wanted", "asked", "followed");
  }

  #at(...phases: Topic["phase"]["is"][]): Topic[] {
    return [...this.#topics.values()].filter(({ phase }) => phases.includes(phase.is));
  }

  /** Whether all topics up to this number have had their answer. */
  answered(upTo: number): boolean {
    return !this.#at("wanted", "asked").some(({ number }) => number <= upTo);
  }

  /** The topic of this name, which there is from now on. */
  follow(name: string, options: SubscribeOptions): Topic {
    const topic = this.#topics.get(name) ?? new Topic(name, ++this.#count, options);
    if (topic.kind !== options.kind) throw toError({ code: "wrong_kind" });
    if (this.#topics.get(name) === topic) return topic;
    this.#topics.set(name, topic);
    // Half of a character is in no name, and on its way it would become another one.
    const broken = /\p{Surrogate}/u.test(name);
    if (this.#carrier.closed) topic.settle(this.#carrier.closed);
    topic.phase = { is: broken ? "refused" : topic.unloaded ? "loading" : "wanted" };
    queueMicrotask(() => {
      if (this.#topics.get(name) !== topic) return;
      if (broken) this.#refuse(topic, toError({ code: "bad_request", reason: "half a character" }));
      else if (topic.unloaded) this.#want(topic);
      this.sync();
    });
    return topic;
  }

  /** Nobody listens to it any more. A stream goes on with it until it is reopened; what comes is dropped. */
  leave(topic: Topic): void {
    if (this.#topics.get(topic.name) !== topic) return;
    const asked = /asked|followed/.test(topic.phase.is);
    this.#end(topic, toError({ code: "closed" }));
    if (asked) this.#carrier.write({ type: "unsubscribe", id: nextId(), topics: [topic.name] });
    for (const other of this.#at("crowded")) this.#want(other);
    queueMicrotask(() => this.sync());
  }

  /** The link is gone: whatever comes next has to be asked for everything. */
  lost(): void {
    this.#later.clear();
    this.#request = undefined;
    this.#asked = 0;
    for (const topic of this.#topics.values()) if (topic.phase.is !== "loading") this.#want(topic);
  }

  /** There is no link, and there will be none. */
  closed(error: PushError): void {
    for (const topic of this.#topics.values()) {
      topic.phase = { is: "wanted" };
      topic.again.clear();
      topic.settle(error);
      notify(topic.listeners, "closed", error);
    }
  }

  /** After it was closed: there may be a link again. */
  reopened(): void {
    for (const topic of this.#topics.values()) {
      topic.promise();
      this.#want(topic);
    }
  }

  /** A link serves that was opened with these topics, and has said what it makes of them. */
  served(asked: readonly Topic[], welcome: Frame): void {
    for (const topic of asked) if (topic.phase.is === "wanted") topic.phase = { is: "asked", by: "welcome" };
    this.#answer("welcome", welcome);
  }

  /** No link could be opened for these topics, of which `answers` tells. */
  refused(answers: readonly Frame[]): void {
    for (const answer of answers) {
      const topic = this.#topics.get(answer.topic);
      if (topic?.phase.is === "wanted") this.#place(topic, answer);
    }
  }

  /** Brings the link in line with the topics. */
  sync(): void {
    const wanted = this.#at("wanted");
    if (!wanted[0]) return;
    if (!this.#carrier.online) this.#carrier.open();
    else if (!this.#carrier.duplex) this.#later.once(gathering, () => this.#carrier.reopen());
    else if (this.#request) return;
    else if (this.#asked >= burst) this.#later.once(1_000, () => this.#ask(this.#at("wanted")));
    else this.#ask(wanted);
  }

  #ask(wanted: readonly Topic[]): void {
    const id = nextId();
    const topics: Frame[] = [];
    let size = 0;
    for (const topic of wanted.slice(0, mostAsked)) {
      const { name, kind, cursor: since, recent } = topic;
      const entry = { topic: name, kind, since, recent };
      size += bytes.encode(JSON.stringify(entry)).length;
      if (topics[0] && size > longestRequest) break;
      topic.phase = { is: "asked", by: id };
      topics.push(entry);
    }
    this.#request = id;
    this.#asked += topics.length;
    this.#carrier.write({ type: "subscribe", id, topics });
  }

  /** Takes the answer to a request. */
  #answer(by: number | "welcome", frame: Frame): void {
    if (by === this.#request) this.#request = undefined;
    let full: Frame | undefined;
    for (const topic of [...this.#topics.values()]) {
      if (topic.phase.is !== "asked" || topic.phase.by !== by) continue;
      // Only an answer that leaves a topic out gives no code.
      const answer: Frame = frame.topics?.find((one: Frame) => one.topic === topic.name) ?? {
        error: { code: "bad_request", ...frame },
      };
      if (answer.error?.code === "limit_reached") full = answer;
      this.#place(topic, answer);
    }
    // What there is no room for need not be asked for.
    if (full) for (const topic of this.#at("wanted")) this.#place(topic, full);
    this.sync();
    this.#carrier.answered();
  }

  #place(topic: Topic, { error, ...place }: Frame): void {
    if (error) this.#refuse(topic, toError(error));
    else this.#follow(topic, place);
  }

  #follow(topic: Topic, { cursor, from, epoch }: Frame): void {
    topic.phase = { is: "followed" };
    topic.refusals = 0;
    topic.moveTo(cursor);
    if (topic.kind)
      notify(topic.listeners, "state", { type: from === "snapshot" ? "reset" : "state", changes: [], epoch });
    topic.settle({ resumed: from === "cursor" });
  }

  #refuse(topic: Topic, error: PushError): void {
    if (error.retry === "never") this.#end(topic, error);
    else {
      topic.settle(error);
      topic.promise();
      topic.phase = { is: error.code === "limit_reached" ? "crowded" : "refused" };
      // It is asked for again, unless another connection comes before that.
      if (topic.phase.is === "refused")
        topic.again.set(
          Math.max(Math.min(error.after, longestWait), fullJitter(topic.refusals++, ...this.#backoff)),
          () => {
            this.#want(topic);
            this.sync();
          },
        );
    }
    notify(topic.listeners, "error", error);
  }

  #end(topic: Topic, error: PushError): void {
    this.#topics.delete(topic.name);
    topic.again.clear();
    topic.phase = { is: "ended" };
    topic.settle(error);
  }

  /** It is to be asked for, when its snapshot is loaded. */
  #want(topic: Topic): void {
    topic.again.clear();
    topic.phase = { is: topic.unloaded ? "loading" : "wanted" };
    const { phase, unloaded } = topic;
    if (!topic.load || !unloaded) return;
    topic.load(unloaded).then(
      (cursor) => {
        if (topic.phase !== phase) return;
        topic.cursor = cursor ?? topic.cursor;
        topic.unloaded = undefined;
        this.#want(topic);
        this.sync();
      },
      (cause) => {
        if (topic.phase === phase) this.#refuse(topic, caught(cause, "load_failed"));
      },
    );
  }

  /** Takes a frame about a topic, or the answer to a request. */
  hear(frame: Frame): void {
    const { type, id, ...fields } = frame;
    if (id && id === this.#request) this.#answer(id, frame);
    const isState = /^(state|synced|reset)$/.test(type);
    if (!isState && type !== "message" && type !== "gap") return;
    const topic = this.#topics.get(frame.topic);
    if (topic?.phase.is !== "followed" || isState === !topic.kind) return;
    const cursor = topic.cursorAt(frame.at);
    // A cursor moves only when all handlers have had the message, even one that throws.
    if (isState)
      notify(topic.listeners, "state", { type, changes: (frame.changes ?? []).map(toChange), epoch: frame.epoch });
    else if (type === "gap") notify(topic.listeners, type, fields);
    else if (cursor && cursor === topic.cursor) return;
    else {
      topic.gaps = 0;
      notify(topic.listeners, type, toMessage({ ...fields, id }, cursor));
    }
    // A reset takes the cursor: elsewhere it may be good, and the map would lack what was forgotten.
    if (type === "reset") topic.cursor = undefined;
    if (/gap|synced/.test(type)) topic.moveTo(frame.cursor);
    topic.cursor = cursor ?? topic.cursor;
    if (type !== "gap" || !topic.load || topic.phase.is !== "followed") return;
    // What comes meanwhile will come again, after the snapshot.
    topic.unloaded = "gap";
    topic.phase = { is: "loading" };
    this.#carrier.write({ type: "unsubscribe", id: nextId(), topics: [topic.name] });
    // Its snapshots may be older than what the server replays.
    if (topic.gaps++) topic.again.set(fullJitter(topic.gaps - 1, ...this.#backoff), () => this.#want(topic));
    else this.#want(topic);
  }
}
