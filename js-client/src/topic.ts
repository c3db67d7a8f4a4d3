import type { PushError } from "./error.ts";
import { check } from "./frame.ts";
import type { SubscribeOptions } from "./types.ts";

/** A topic that is followed: where it is, and who listens. */
export interface Topic {
  readonly topic: string;
  cursor: string | undefined;
  /** The part of the cursor that stays the same from one message to the next, once the server has said the cursor. */
  base?: string | undefined;
  /** How many of the last messages it begins with where no cursor says more. */
  readonly recent: number | undefined;
  readonly kind: "state" | undefined;
  /** Whether the link has been asked for it and has answered; until it has, the request or the frame that will be answered. */
  asked?: boolean | number | "welcome";
  /** How often in a row it was refused for now, and the wait until it is asked for again. */
  refusals: number;
  again?: ReturnType<typeof setTimeout>;
  readonly listeners: Set<(kind: "message" | "gap" | "state" | "error", value: unknown) => void>;
  readonly ready: Promise<void>;
  settle(error?: PushError): void;
}

/** The characters of a topic's cursor that no message moves. */
const constant = 21;

export function createTopic(topic: string, { since: cursor, recent, kind }: SubscribeOptions): Topic {
  let settle!: Topic["settle"];
  const ready = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  ready.catch(() => {}); // whoever awaits it is told; nobody has to
  return {
    topic,
    cursor,
    recent: (!kind && recent) || undefined,
    kind,
    refusals: 0,
    listeners: new Set(),
    ready,
    settle,
  };
}

/** Goes to the cursor that the server says. Where it says none, it will by a gap: until then the topic's place isn't known. */
export function moveTo(topic: Topic, cursor?: string): void {
  topic.base = cursor?.slice(0, constant);
  topic.cursor = cursor ?? topic.cursor;
}

/** The cursor after a message that moves the topic so; undefined if it doesn't. */
export function cursorAt({ base }: Topic, at?: string): string | undefined {
  if (!at) return undefined;
  check(base);
  return base + at;
}
