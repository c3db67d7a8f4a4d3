import { fullJitter } from "./backoff.ts";
import { createConnection } from "./connection.ts";
import { eventStream } from "./eventstream.ts";
import { fallback } from "./fallback.ts";
import { createOutbox } from "./outbox.ts";
import { createTopics } from "./topics.ts";
import type { Options, Push } from "./types.ts";
import { webSocket } from "./websocket.ts";

const refusedTopicRetry = 30_000;

/** Connects to the push routes below `url`, which may be relative to the page, and stays connected until `close()`. */
export function connect(url: string | URL, options: Options = {}): Push {
  const {
    transports = ["websocket", "sse"],
    backoff = [500, 30_000],
    connectTimeout = 10_000,
    probe = 300_000,
    maxPending = 100,
    maxPendingSize = 1 << 20,
    maxFrame = 1 << 24,
  } = options;
  const base = new URL(url, globalThis.location?.href).href.replace(/\/$/, "");
  const make = {
    websocket: () => webSocket(`${base.replace("http", "ws")}/ws`, options.WebSocket ?? WebSocket, maxFrame),
    sse: () => eventStream(base, options.fetch ?? fetch, maxFrame),
  };
  const transport = fallback(
    transports.map((name) => make[name]()),
    probe,
  );
  /** Connections of subscriptions that could not share this one. */
  const others = new Set<Push>();
  let retry: ReturnType<typeof setTimeout> | undefined;

  const connection = createConnection(
    transport,
    {
      wanted: () => topics.wanted(),
      frame: (frame) => topics.frame(frame),
      place(place, answer) {
        topics.place(place, answer);
        if (!answer.error) return;
        clearTimeout(retry);
        retry = setTimeout(connection.sync, refusedTopicRetry);
      },
      online: (link) => outbox.flush(link),
      ended(error) {
        clearTimeout(retry);
        topics.end(error);
        outbox.end();
      },
    },
    typeof backoff === "function" ? backoff : fullJitter(...backoff),
    connectTimeout,
  );
  const topics = createTopics(connection.sync);
  const outbox = createOutbox(maxPending, maxPendingSize, connection.up);
  connection.open();

  return {
    get status() {
      return connection.status;
    },
    get pending() {
      return outbox.size;
    },
    get violations() {
      return connection.violations;
    },
    onStatus: connection.onStatus,
    subscribe(topic, handlers, { since } = {}) {
      const all = typeof handlers === "function" ? { message: handlers } : handlers;
      const shared = topics.subscribe(topic, all, since);
      if (shared) return shared;
      // A place of its own in a topic that is followed already takes a connection of its own.
      const own = connect(url, options);
      others.add(own);
      const subscription = own.subscribe(topic, all, { since });
      return Object.assign(subscription, {
        close() {
          others.delete(own);
          own.close();
        },
      });
    },
    send: outbox.send,
    reconnect: connection.open,
    close() {
      for (const other of others) other.close();
      connection.close();
    },
  };
}
