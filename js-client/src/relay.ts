import type { PushError } from "./error.ts";
import { base64, type Frame } from "./frame.ts";
import type { Data, Push, Subscription } from "./types.ts";

/** Where a topic is. */
export interface Place {
  readonly cursor: string | undefined;
  /** All up to the cursor was said: whoever has that can go on from here. In the middle of a state's changes nobody can. */
  readonly whole: boolean;
  /** That of the versions of a state. */
  readonly epoch: string | undefined;
}

/** One thing that a topic says: the frame by which a server would say it, and the places before and after it. */
export interface Step extends Place {
  readonly frame: string;
  readonly before: string | undefined;
  readonly gap: boolean;
}

/** How a topic begins. */
export interface Beginning extends Place {
  readonly resumed: boolean;
}

/** What is told of a topic. */
export interface Audience {
  /** It is followed, from here on. After a refusal it may be so again. */
  begins(beginning: Beginning): void;
  said(steps: Step[]): void;
  refused(error: PushError): void;
}

/** The characters of a topic's cursor that no message moves. */
const constant = 21;

/**
 * Whether two cursors of one topic are one place. They are the same text then; but before the first message they say, where
 * others have the message's mark, when they were issued. It is the only thing that this client knows of what is in a cursor.
 */
export const same = (one: string | undefined, other: string | undefined): boolean =>
  one === other ||
  (one?.slice(0, constant) === other?.slice(0, constant) && [one, other].every((c) => /^.{26}[AQgw]A$/.test(`${c}`)));

/** The fields of a frame that carry data, if there is any. */
export const packed = (data: Data | undefined): Frame => (data instanceof Uint8Array ? base64(data) : { data });

/** Follows the topic of an entry of a `subscribe`, and tells what it says. */
export function relay(push: Push, { topic, kind, since, recent }: Frame, audience: Audience): Subscription {
  /** What was said and not told yet, and where the topic was before it. */
  let said: { frame: Frame; before: string | undefined }[] = [];
  let begun = false;
  let epoch: string | undefined;

  // A handler is called before the cursor moves: where it moves to is known when the next one is called, or a moment later.
  const say = (frame: Frame): void => {
    said.push({ frame, before: subscription.cursor });
    queueMicrotask(flush);
  };
  const flush = (): void => {
    if (!begun || !said[0]) return;
    const steps = said.map(({ frame, before }, i): Step => {
      const next = said[i + 1];
      const cursor = next ? next.before : subscription.cursor;
      const moved = cursor !== before;
      const place = /^(message|state)$/.test(frame.type)
        ? { at: moved ? cursor?.slice(constant) : undefined }
        : { cursor };
      const text = JSON.stringify({ ...frame, topic, ...place });
      return { frame: text, before, cursor, whole: !kind || moved, epoch, gap: frame.type === "gap" };
    });
    said = [];
    audience.said(steps);
  };

  const subscription = push.subscribe(
    topic,
    {
      message: ({ json: _, cursor: __, data, ...fields }) => say({ type: "message", ...fields, ...packed(data) }),
      gap: (gap) => say({ type: "gap", ...gap }),
      state({ type, changes, epoch: of }) {
        epoch = of ?? epoch;
        // A state that goes on from a cursor says so by a change of nothing, which moves nothing either.
        if (type !== "state" || changes[0])
          say({ type, epoch: of, changes: changes.map(({ data, ...change }) => ({ ...change, ...packed(data) })) });
      },
      error(error) {
        begun = false;
        audience.refused(error);
        if (error.retry !== "never") wait();
      },
    },
    { since, recent, kind },
  );
  const wait = (): void => {
    subscription.ready.then(
      ({ resumed }) => {
        begun = true;
        audience.begins({ cursor: said[0] ? said[0].before : subscription.cursor, whole: true, resumed, epoch });
        flush();
      },
      () => {}, // `error` tells
    );
  };
  wait();
  return subscription;
}
