import type { PushError } from "./error.ts";
import type { Frame } from "./frame.ts";

/** A topic that is followed: where it is, and who listens. */
export interface Topic {
  readonly topic: string;
  cursor: string | undefined;
  /** The last message, or what the last gap says of now. */
  last?: Frame | undefined;
  /** Whether the link has been asked for it and has answered; until it has, the request or the frame that will be answered. */
  asked?: boolean | number | "welcome";
  /** How often in a row it was refused for now, and the wait until it is asked for again. */
  refusals: number;
  again?: ReturnType<typeof setTimeout>;
  readonly listeners: Set<(kind: "message" | "gap" | "error", value: unknown) => void>;
  readonly ready: Promise<void>;
  settle(error?: PushError): void;
}

export function createTopic(topic: string, cursor?: string): Topic {
  let settle!: Topic["settle"];
  const ready = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  ready.catch(() => {}); // whoever awaits it is told; nobody has to
  return { topic, cursor, refusals: 0, listeners: new Set(), ready, settle };
}
