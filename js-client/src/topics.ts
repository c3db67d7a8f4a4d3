import type { PushError } from "./error.ts";
import { wireFailure } from "./failure.ts";
import { type Frame, optional, payload, string, whole } from "./frame.ts";
import { guard } from "./guard.ts";
import { continues } from "./position.ts";
import type { Place } from "./transport.ts";
import type { Gap, Handlers, Message, Position, Subscription } from "./types.ts";

interface Topic extends Place {
  cursor: string | undefined;
  /** Of the last message or gap; undefined before the first. */
  position: Position | undefined;
  readonly listeners: Map<Subscription, Handlers>;
  readonly ready: Promise<void>;
  settle(error?: PushError): void;
}

/** The topics that are followed: where each one is, and who listens. */
export interface Topics {
  /** Undefined if the topic is followed already, and is not where `since` is. */
  subscribe(name: string, handlers: Handlers, since: string | undefined): Subscription | undefined;
  wanted(): Place[];
  /** Takes any frame, and minds those of topics. */
  frame(frame: Frame): void;
  place(place: Place, answer: Frame): void;
  /** The connection has ended for good. */
  end(error: PushError): void;
}

/** `changed` is called when other topics are wanted than before. */
export function createTopics(changed: () => void): Topics {
  const topics = new Map<string, Topic>();

  return {
    subscribe(name, handlers, since) {
      const known = topics.get(name);
      if (known && since && known.cursor !== since) return undefined;
      const topic = known ?? createTopic(name, since);
      const { listeners, ready } = topic;
      const subscription: Subscription = {
        topic: name,
        ready,
        get cursor() {
          return topic.cursor;
        },
        close() {
          listeners.delete(subscription);
          if (listeners.size || topics.get(name) !== topic) return;
          topics.delete(name);
          changed();
        },
      };
      listeners.set(subscription, handlers);
      if (!known) {
        topics.set(name, topic);
        changed();
      }
      return subscription;
    },

    wanted: () => [...topics.values()],

    frame(frame) {
      const { type } = frame;
      if (type !== "message" && type !== "gap") return;
      const topic = topics.get(string(frame.topic));
      if (!topic?.placed) return;
      const cursor = optional(frame.cursor);
      const position = readPosition(type === "gap" ? frame.now : frame);
      if (type === "gap") {
        const gap = readGap(frame, topic.topic, cursor, position);
        tell(topic, (handlers) => handlers.gap?.(gap));
      } else {
        if ((cursor === undefined) !== (position === undefined)) throw new TypeError("half a position");
        const message = readMessage(frame, topic.topic, cursor, position);
        if (position && !continues(topic.position, position)) return;
        tell(topic, (handlers) => handlers.message?.(message));
      }
      // Only now: a cursor that the application stores covers what its handlers have had.
      if (cursor !== undefined) topic.cursor = cursor;
      if (position) topic.position = position;
    },

    place(place, { error, cursor }) {
      const topic = place as Topic;
      if (error) {
        const failure = wireFailure(error as Frame);
        if (failure.retry === "never") {
          topics.delete(topic.topic);
          topic.settle(failure);
        }
        tell(topic, (handlers) => handlers.error?.(failure));
        return;
      }
      topic.placed = true;
      topic.cursor = optional(cursor) ?? topic.cursor;
      topic.settle();
    },

    end(error) {
      for (const topic of topics.values()) topic.settle(error);
    },
  };
}

function createTopic(topic: string, cursor: string | undefined): Topic {
  let settle!: Topic["settle"];
  const ready = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  ready.catch(() => {}); // whoever awaits it is told; nobody has to
  return { topic, cursor, placed: false, position: undefined, listeners: new Map(), ready, settle };
}

function tell({ listeners }: Topic, call: (handlers: Handlers) => void): void {
  for (const [subscription, handlers] of [...listeners])
    if (listeners.has(subscription)) guard(() => call(handlers));
}

/** Undefined if there is none at all; half a position is an error. */
function readPosition(value: unknown): Position | undefined {
  const { epoch, offset } = (value ?? {}) as Frame;
  return epoch === undefined && offset === undefined ? undefined : { epoch: string(epoch), offset: whole(offset) };
}

function readGap(frame: Frame, topic: string, cursor: string | undefined, now: Position | undefined): Gap {
  return { topic, reason: string(frame.reason), last: readPosition(frame.last), now, cursor };
}

function readMessage(
  frame: Frame,
  topic: string,
  cursor: string | undefined,
  position: Position | undefined,
): Message {
  const data = payload(frame);
  return {
    topic,
    id: string(frame.id),
    event: optional(frame.event) ?? "",
    key: optional(frame.key) ?? "",
    data,
    cursor,
    epoch: position?.epoch,
    offset: position?.offset,
    time: whole(frame.time),
    json: () => JSON.parse(typeof data === "string" ? data : new TextDecoder().decode(data)),
  };
}
