import type { PushError } from "./error.ts";
import { caught, toError } from "./failure.ts";
import { check, type Frame, longestFrame } from "./frame.ts";
import type { Link } from "./link.ts";
import { now } from "./timer.ts";
import type { Topic } from "./topic.ts";
import type { TransportName } from "./types.ts";

/** Whom an attempt tells what becomes of it. */
export interface Watcher {
  /** A frame has come, or, without one, something else that shows life. */
  heard(attempt: Attempt, frame?: Frame): void;
  /** It has ended. */
  ended(attempt: Attempt, error: PushError): void;
}

/** A link that has lived this long after its welcome has proved that it works, in milliseconds. */
export const provenAfter = 4_000;

/** Makes an attempt by one of the transports. */
export type Make = (which: number, topics: readonly Topic[], watcher: Watcher) => Attempt;

/** One try to connect by one transport, and the link that comes of it. */
export class Attempt {
  /** Which of the transports. */
  readonly which: number;
  readonly transport: TransportName;
  /** Those that it was opened with, if it can't be asked for more. */
  readonly topics: readonly Topic[];
  /** When it began, when its first frame came, and when it last showed life; as by `now`. */
  readonly begun = now();
  welcomed: number | undefined;
  heard: number | undefined;
  /** Whom it tells; nobody when it is closed. */
  watcher: Watcher | undefined;
  readonly #link: Link;
  /** Why the server is about to end it. */
  #ending: Frame | undefined;

  constructor(
    which: number,
    transport: TransportName,
    topics: readonly Topic[],
    watcher: Watcher,
    open: (attempt: Attempt) => Link,
  ) {
    this.which = which;
    this.transport = transport;
    this.topics = topics;
    this.watcher = watcher;
    this.#link = open(this);
  }

  get duplex(): boolean {
    return this.transport === "websocket";
  }

  /** The link, if it takes frames. */
  get sender(): Link | undefined {
    return this.duplex ? this.#link : undefined;
  }

  /** How long it has served, in milliseconds. */
  get age(): number {
    return this.welcomed === undefined ? 0 : now() - this.welcomed;
  }

  write(frame: Frame): void {
    if (this.welcomed !== undefined) this.sender?.send?.(JSON.stringify(frame));
  }

  /** Nothing is heard of it any more. */
  close(): void {
    this.watcher = undefined;
    this.#link.close();
  }

  /** It is no good; what the server has said of it counts more than `error`. */
  fail(error: PushError): void {
    const watcher = this.watcher;
    this.close();
    const said = this.#ending;
    watcher?.ended(
      this,
      said ? Object.assign(toError({ after: error.after, ...said }), { topics: said.topics }) : error,
    );
  }

  // What a link tells.
  ended(error: PushError): void {
    this.fail(error);
  }

  hear(json?: unknown): void {
    this.heard = now();
    try {
      const frame = json === undefined ? undefined : parse(json);
      if (frame?.type === "welcome") this.welcomed ??= this.heard;
      if (frame?.type === "ping") this.write({ type: "pong" });
      if (frame?.type === "error" && !frame.id) this.#ending = frame;
      if (frame?.type === "reconnect") this.#ending = { code: "unavailable", ...frame };
      this.watcher?.heard(this, frame);
    } catch (cause) {
      this.fail(caught(cause, "protocol_violation"));
    }
  }
}

function parse(json: unknown): Frame {
  check(typeof json === "string" && json.length < longestFrame);
  const frame = JSON.parse(json);
  check(frame);
  return frame;
}
