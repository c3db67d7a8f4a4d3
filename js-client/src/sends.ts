import { caught, toError } from "./failure.ts";
import { type Frame, pack, payload, write } from "./frame.ts";
import type { Http } from "./http.ts";
import type { Link } from "./link.ts";
import { Timer } from "./timer.ts";
import { nextId, type Topics } from "./topics.ts";
import type { Data, Sendable, SendOptions } from "./types.ts";

/** Of a frame, in bytes: a longer one would make the server end the connection. */
const longestSend = 65_536;
/** Of sends without an answer, and of bytes that wait in the socket. */
const mostPending = 100;
const mostBuffered = 1e6;
/** All bodies that a browser keeps alive may have 64 KiB together. */
const mostKeptAlive = 1e4;

/** A message that is not answered yet. */
interface Send {
  readonly id: number;
  readonly topic: string;
  /** Absent while a `Blob` is read. */
  frame?: string;
  /** In bytes. */
  size: number;
  /** The newest topic before it: their answers come first. */
  readonly after: number;
  /** How it has left. */
  via?: "link" | "post";
  /** Ends the POST that it has left by. */
  readonly stop: AbortController;
  /** Takes a reply or an error. */
  answer(frame: Frame): void;
}

/** What sends need of the client. */
export interface Sender {
  /** The client is closed. */
  readonly closed: boolean;
  /** The link that takes frames, "post" where frames go by POST, or nothing where they have to wait. */
  way(): Link | "post" | undefined;
  /** There is something to send. */
  open(): void;
}

/** What is sent and not answered yet. */
export class Sends {
  readonly #sends = new Map<number, Send>();
  /** Topics of which a POST is under way: the next one follows its answer. */
  readonly #posting = new Set<string>();
  readonly #sender: Sender;
  readonly #topics: Topics;
  readonly #http: Http;

  constructor(sender: Sender, topics: Topics, http: Http) {
    this.#sender = sender;
    this.#topics = topics;
    this.#http = http;
  }

  get pending(): number {
    return this.#sends.size;
  }

  /** In bytes, without those in the socket. */
  get waiting(): number {
    let waiting = 0;
    for (const { via, size } of this.#sends.values()) if (via !== "link") waiting += size;
    return waiting;
  }

  send(topic: string, data: Sendable, options: SendOptions = {}): Promise<Data | undefined> {
    const { event = "", id: message = randomId(), timeout = 10_000, signal } = options;
    return new Promise((resolve, reject) => {
      const id = nextId();
      const deadline = new Timer();
      const giveUp = (code: string): void => this.#giveUp(send, code);
      const abort = (): void => giveUp("closed");
      const send: Send = {
        id,
        topic,
        size: 0,
        after: this.#topics.newest,
        stop: new AbortController(),
        answer: (frame) => {
          const reply = frame.type === "reply" && payload(frame);
          if (!this.#sends.delete(id)) return;
          deadline.clear();
          signal?.removeEventListener("abort", abort);
          if (frame.type === "reply") resolve(reply as Data | undefined);
          else reject(toError(frame, message));
          send.stop.abort();
        },
      };
      const fail = (cause: unknown): void => {
        this.#sends.delete(id);
        deadline.clear();
        reject(cause);
      };
      const ready = (bytes: Exclude<Sendable, Blob>): void => {
        send.frame = write({ type: "send", id, topic, event, message, ...pack(bytes) });
        send.size = new Blob([send.frame]).size;
        if (send.size > longestSend) giveUp("too_large");
        this.flush();
      };
      const way = this.#sender.way();
      const full = this.pending >= mostPending || (typeof way === "object" && way.buffered > mostBuffered);
      this.#sends.set(id, send);
      signal?.addEventListener("abort", abort);
      if (this.#sender.closed || signal?.aborted) return giveUp("closed");
      if (full) return giveUp("limit_reached");
      deadline.set(timeout, () => giveUp("timeout"));
      try {
        if (!(data instanceof Blob)) ready(data);
        else if (data.size > longestSend) giveUp("too_large");
        else data.arrayBuffer().then(ready).catch(fail);
      } catch (cause) {
        fail(cause);
      }
      if (!way) this.#sender.open();
    });
  }

  // What has left may have arrived, why ever nobody waits for the answer.
  #giveUp(send: Send, code: string): void {
    send.answer({ code: send.via ? "unknown" : code });
  }

  /** Sends what waits, in order, as far as it can. */
  flush(): void {
    for (const send of [...this.#sends.values()]) {
      const way = this.#sender.way();
      if (!way || !send.frame || (!send.via && !this.#topics.answered(send.after))) return;
      if (send.via) continue;
      if (way !== "post") {
        send.via = "link";
        way.send?.(send.frame);
      } else if (!this.#posting.has(send.topic)) {
        send.via = "post";
        this.#post(send, JSON.parse(send.frame));
      }
    }
  }

  async #post(send: Send, frame: Frame): Promise<void> {
    const { topic, event, message: id } = frame;
    const data = payload(frame);
    const body =
      typeof data === "string"
        ? data
        : data instanceof Uint8Array
          ? new Blob([data], { type: "application/octet-stream" })
          : new Blob([JSON.stringify(data)], { type: "application/json" });
    this.#posting.add(topic);
    try {
      const init = { body, keepalive: send.size < mostKeptAlive, signal: send.stop.signal };
      const answer = await this.#http.post("send", { topic, event, id }, init);
      send.answer(answer.foreign ? {} : answer);
    } catch (cause) {
      const { code, message } = caught(cause, "unknown");
      send.answer({ code, reason: message });
    }
    this.#posting.delete(topic);
    this.flush();
  }

  /** Takes an answer. */
  hear(frame: Frame): void {
    this.#sends.get(frame.id)?.answer(frame);
  }

  /** The link is gone, with the answers that would have come over it. A POST is answered on its own. */
  lost(): void {
    for (const send of this.#sends.values()) if (send.via === "link") this.#giveUp(send, "closed");
  }

  closed(): void {
    for (const send of this.#sends.values()) this.#giveUp(send, "closed");
  }
}

function randomId(): string {
  return globalThis.crypto?.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
}
