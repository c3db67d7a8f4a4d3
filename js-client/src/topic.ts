import type { PushError } from "./error.ts";
import { check, type Frame, payload } from "./frame.ts";
import { guard } from "./guard.ts";
import type { Place } from "./transport.ts";
import type { Gap, Handlers, Message, Position, Subscription } from "./types.ts";

/** A topic that is followed: where it is, and who listens. */
export interface Topic extends Place {
  cursor: string | undefined;
  /** Of the last message or gap. */
  position?: Position;
  /** The number of the link that was asked for it. */
  era?: number;
  /** The request or frame by which the link will answer; 0 when it has. What comes before answers an older request. */
  asked: number | "welcome";
  readonly listeners: Map<Subscription, Handlers>;
  readonly ready: Promise<void>;
  settle(error?: PushError): void;
}

export function createTopic(topic: string, cursor?: string): Topic {
  let settle!: Topic["settle"];
  const ready = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  ready.catch(() => {}); // whoever awaits it is told; nobody has to
  return { topic, cursor, asked: 0, listeners: new Map(), ready, settle };
}

export function tell<K extends keyof Handlers>(
  { listeners }: Topic,
  kind: K,
  value: Parameters<Required<Handlers>[K]>[0],
): void {
  for (const [subscription, handlers] of [...listeners])
    if (listeners.has(subscription)) guard(() => (handlers[kind] as ((value: unknown) => void) | undefined)?.(value));
}

/** Hands a message or a gap on, and then moves on: a handler that throws has still had it. */
export function deliver(topic: Topic, frame: Frame): void {
  const { type, id, event = "", key = "" } = frame;
  const { position } = topic;
  const gap = type === "gap";
  const now = ((gap ? frame.now : frame) ?? {}) as Position;
  const { cursor } = frame as { cursor?: string };
  check([id, event, key, now.epoch, cursor].every((text) => !text || typeof text === "string"));
  check(Number.isSafeInteger(now.offset) ? now.epoch && cursor : gap || !(now.epoch || cursor));
  if (gap) tell(topic, type, frame as unknown as Gap);
  else {
    if (cursor && position) {
      const step = now.epoch === position.epoch && now.offset - position.offset;
      if (step === 0) return;
      // Only a resume can tell what a jump leaves out.
      check(step === 1);
    }
    const data = payload(frame);
    tell(topic, "message", {
      ...frame,
      event,
      key,
      data,
      json: () => JSON.parse(data as string),
    } as unknown as Message);
  }
  topic.cursor = cursor ?? topic.cursor;
  if (now.epoch) topic.position = now;
}
