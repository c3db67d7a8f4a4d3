import { fullJitter } from "./backoff.ts";
import { closing } from "./closing.ts";
import { PushError } from "./error.ts";
import { eventStream } from "./eventstream.ts";
import { fallback, provenAfter } from "./fallback.ts";
import { check, type Frame, longestFrame, nextId, toError } from "./frame.ts";
import { guard } from "./guard.ts";
import { watchPage } from "./page.ts";
import { createTopic, deliver, type Topic, tell } from "./topic.ts";
import type { Hooks, Link } from "./transport.ts";
import type { Handlers, Message, Options, Receiver, Status, SubscribeOptions, Subscription } from "./types.ts";
import { webSocket } from "./websocket.ts";

// No server should be able to send a client away for hours.
const longestWait = 3e5;
const heartbeatSlack = 10_000;
const pingTimeout = 4_000;
const refusedRetry = 30_000;

/** Sends beside what is received. */
export interface Sender {
  /** The link is up. */
  flush(link: Link): void;
  /** Takes any frame, and minds the answers. */
  answer(frame: Frame): void;
  /** The link has ended; `final` if none will follow. */
  lost(final?: boolean): void;
}

/** The URL of the routes, without a slash at the end. */
export const routes = (url: string | URL): string => new URL(url, globalThis.location?.href).href.replace(/\/$/, "");

/** Connects to the push routes below `url`, follows topics there, and stays connected until `close()`. */
export function follow(url: string | URL, options: Options = {}, sender?: Sender): Receiver {
  const {
    transports = ["websocket", "sse"],
    backoff = [500, 30_000],
    connectTimeout = 10_000,
    probe = 300_000,
  } = options;
  const base = routes(url);
  const transport = fallback(
    transports.map((name) =>
      name === "sse"
        ? eventStream(base, options.fetch ?? fetch)
        : webSocket(`${base.replace("http", "ws")}/ws`, options.WebSocket ?? WebSocket),
    ),
    probe,
  );
  const delay = fullJitter(...backoff);

  const listeners = new Set<(status: Status) => void>();
  const topics = new Map<string, Topic>();

  let link: Link | undefined;
  /** The number of the link. */
  let era = 0;
  /** When the link's first frame came. */
  let welcomed: number | undefined;
  /** Why the server is about to end the link. */
  let ending: PushError | undefined;
  let heartbeat: number;
  let failures = 0;
  let page: AbortController | undefined;
  /** Of the attempt, of the silence, or of the wait: only one of them is on. */
  let timer: ReturnType<typeof setTimeout> | undefined;

  const arm = (wait: number, then: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(then, wait);
  };

  // The last act of whoever calls it: a listener may do anything.
  const change = (next: Status): void => {
    push.status = next;
    for (const listener of [...listeners]) guard(() => listener(next));
  };

  const leave = (failure?: PushError, final?: boolean): void => {
    clearTimeout(timer);
    link?.close(failure, welcomed && Date.now() - welcomed);
    link = undefined;
    sender?.lost(final);
  };

  const start = (): void => {
    leave();
    welcomed = ending = undefined;
    era++;
    link = transport(hooks);
    arm(connectTimeout, () => down(new PushError(link?.opened ? "transport_buffered" : "transport_timeout")));
    if (!push.status.transport) change({ state: "connecting" });
  };

  const down = (cause: PushError): void => {
    if (!page) return;
    const error = ending ?? cause;
    const { retry, after } = error;
    const final = retry === "never";
    if (welcomed && Date.now() - welcomed > provenAfter) failures = 0;
    leave(error, final);
    if (final) {
      page.abort();
      page = undefined;
      for (const topic of topics.values()) topic.settle(error);
      change({ state: "closed", error });
    } else {
      // A server that names a delay is believed, but not again and again.
      const wait = Math.min(after > failures * 500 ? after : delay(failures), longestWait);
      failures++;
      arm(wait, start);
      change({ state: "waiting", error, retryAt: Date.now() + wait });
    }
  };
  const silent = (): void => down(new PushError("transport_silent"));

  const ask = (some: Topic[], asked: Topic["asked"]): void => {
    for (const topic of some) {
      topic.era = era;
      topic.asked = asked;
    }
  };

  const place = (topic: Topic, { error, cursor }: Frame): void => {
    topic.asked = 0;
    if (!error) {
      topic.cursor = (cursor as string | undefined) ?? topic.cursor;
      topic.settle();
      return;
    }
    // Only an answer that leaves a topic out gives no code.
    const failure = toError(error as Frame, new PushError("limit_reached"));
    if (failure.retry === "never") {
      topics.delete(topic.topic);
      topic.settle(failure);
    } else if (link?.write) {
      setTimeout(() => {
        topic.era = 0;
        sync();
      }, refusedRetry);
    }
    tell(topic, "error", failure);
  };

  /** Brings the link in line with the topics, those of one tick together. */
  const sync = (): void =>
    queueMicrotask(() => {
      const fresh = [...topics.values()].filter((topic) => topic.era !== era);
      if (!link || !fresh[0]) return;
      if (!link.write) return start();
      if (!welcomed) return;
      const id = nextId();
      ask(fresh, id);
      link.write({ type: "subscribe", id, topics: fresh.map(({ topic, cursor: since }) => ({ topic, since })) });
    });

  const take = (frame: Frame): void => {
    const { type, id } = frame;
    if (type === "message" || type === "gap") {
      const topic = topics.get(frame.topic as string);
      if (topic && !topic.asked) deliver(topic, frame);
      return;
    }
    if (type === "ping") link?.write?.({ type: "pong" });
    if (type === "reconnect") ending = closing(1012, frame.after);
    if (type === "error" && !id) ending = toError(frame);
    sender?.answer(frame);
    const answers = frame.topics as Frame[] | undefined;
    for (const topic of topics.values())
      if (topic.era === era && topic.asked === (id ?? type))
        place(topic, answers?.find((answer) => answer.topic === topic.topic) ?? { error: frame });
    if (type === "welcome" && link) {
      heartbeat = frame.heartbeat as number;
      welcomed = Date.now();
      heard();
      sync();
      sender?.flush(link);
      change({ state: "online", transport: link.name });
    }
  };

  const heard = (): void => {
    if (welcomed) arm(heartbeat + heartbeatSlack, silent);
  };

  const hooks: Hooks = {
    heard,
    down,
    restart: start,
    receive(json) {
      try {
        check(json.length < longestFrame);
        take(JSON.parse(json));
      } catch (cause) {
        push.violations++;
        down(new PushError("protocol_violation", `${cause}`));
      }
    },
    places() {
      const all = [...topics.values()];
      ask(all, "welcome");
      return all;
    },
  };

  const wake = (): void => {
    if (!link) start();
    else if (link.write && welcomed) {
      link.write({ type: "ping" });
      arm(pingTimeout, silent);
    }
  };
  const sleep = (): void => {
    leave();
    change({ state: "waiting" });
  };
  const open = (): void => {
    if (!page) {
      page = new AbortController();
      failures = 0;
      watchPage(wake, sleep, page.signal);
    }
    wake();
  };
  const push = {
    status: { state: "closed" } as Status,
    violations: 0,

    onStatus(listener: (status: Status) => void) {
      listeners.add(listener);
      listener(push.status);
      return () => listeners.delete(listener);
    },

    subscribe(name: string, listener: Handlers | ((message: Message) => void), { since }: SubscribeOptions = {}) {
      const handlers = typeof listener === "function" ? { message: listener } : listener;
      const known = topics.get(name);
      if (known && since && known.cursor !== since) {
        // A place of its own in a topic that is followed already takes a connection of its own.
        const other = follow(url, options);
        page?.signal.addEventListener("abort", other.close);
        return Object.assign(other.subscribe(name, handlers, { since }), { close: other.close });
      }
      const topic = known ?? createTopic(name, since);
      topics.set(name, topic);
      sync();
      const subscription: Subscription = {
        topic: name,
        ready: topic.ready,
        get cursor() {
          return topic.cursor;
        },
        close() {
          topic.listeners.delete(subscription);
          if (topic.listeners.size || topics.get(name) !== topic) return;
          topics.delete(name);
          // A fixed link goes on with it until it is opened anew; what comes is dropped.
          if (topic.era === era) link?.write?.({ type: "unsubscribe", id: nextId(), topics: [name] });
        },
      };
      topic.listeners.set(subscription, handlers);
      return subscription;
    },

    reconnect: open,
    close() {
      ending = undefined;
      down(new PushError("closed", "closed", "never"));
    },
  };
  open();
  return push;
}
