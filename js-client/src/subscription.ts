import { PushError } from "./error.ts";
import type { TopicListener } from "./topic.ts";
import type { Topics } from "./topics.ts";
import type { Gap, Handlers, MessageOf, SubscribeOptions, Subscription } from "./types.ts";

/** How many messages may wait for a loop. */
const mostWaiting = 1_000;

/** Subscribes to a topic. */
export function subscribe<T>(
  topics: Topics,
  name: string,
  listener: Handlers<T> | ((message: MessageOf<T>) => void) | undefined,
  options: SubscribeOptions,
): Subscription<T> {
  const handlers: Handlers<T> = typeof listener === "function" ? { message: listener } : (listener ?? {});
  const { signal } = options;
  const topic = topics.follow(name, options);
  const loops = new Set<Loop<MessageOf<T>>>();

  const hear: TopicListener = (kind, value) => {
    const handler = kind !== "closed" && (handlers[kind] as ((value: unknown) => void) | undefined);
    if (handler) handler.call(handlers, value);
    for (const loop of loops)
      if (kind === "message") loop.push(value as MessageOf<T>);
      else if (kind === "gap" && !handlers.gap && !topic.load) loop.end(new PushError("gap", (value as Gap).reason));
      else if (kind === "closed" || (kind === "error" && (value as PushError).retry === "never")) {
        const { code } = value as PushError;
        loop.end(code === "closed" ? undefined : (value as PushError));
      }
  };
  const close = (): void => {
    signal?.removeEventListener("abort", close);
    for (const loop of loops) loop.end();
    if (topic.listeners.delete(hear) && !topic.listeners.size) topics.leave(topic);
  };

  topic.listeners.add(hear);
  if (signal?.aborted) close();
  else signal?.addEventListener("abort", close);
  const loop = (): Loop<MessageOf<T>> => {
    const made = new Loop<MessageOf<T>>(close);
    loops.add(made);
    return made;
  };
  // Without a handler nothing is to be missed until the loop begins.
  const first = listener ? undefined : loop();
  const described = {
    topic: name,
    close,
    get cursor() {
      return topic.cursor;
    },
    get ready() {
      return topic.ready;
    },
    [Symbol.asyncIterator]: () => first ?? loop(),
  };
  return Object.defineProperties(() => close(), Object.getOwnPropertyDescriptors(described)) as Subscription<T>;
}

/** What a `for await` takes from. */
class Loop<T> implements AsyncIterator<T, undefined> {
  readonly #leave: () => void;
  #waiting: T[] = [];
  #ended: { error?: PushError | undefined } | undefined;
  #wake: (() => void) | undefined;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  push(message: T): void {
    if (this.#waiting.length < mostWaiting) this.#waiting.push(message);
    else this.end(new PushError("slow_consumer"));
    this.#wake?.();
  }

  /** What waits is still taken, and then the loop ends, or throws. */
  end(error?: PushError): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (!this.#waiting[0] && !this.#ended) await new Promise<void>((wake) => (this.#wake = wake));
    const value = this.#waiting.shift();
    if (value) return { value, done: false };
    this.#leave();
    if (this.#ended?.error) throw this.#ended.error;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.end();
    this.#waiting = [];
    this.#leave();
    return { value: undefined, done: true };
  }
}
