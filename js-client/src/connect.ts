import { Attempt } from "./attempt.ts";
import { Connection, type Settings } from "./connection.ts";
import { PushError } from "./error.ts";
import { eventStream } from "./eventstream.ts";
import { createHttp } from "./http.ts";
import { watchPage } from "./page.ts";
import { poll } from "./poll.ts";
import { Sends } from "./sends.ts";
import { subscribe } from "./subscription.ts";
import { Topics } from "./topics.ts";
import { Turns } from "./turns.ts";
import type { Data, Options, Push } from "./types.ts";
import { webSocket } from "./websocket.ts";

/** How often `drain` looks, in milliseconds. */
const drainInterval = 20;

/**
 * A client of the push routes below `url`, which may be relative to the page. It connects at the first subscription or send, and
 * stays connected until `close()`.
 */
export function connect<TopicTypes extends object = Record<string, Data>>(
  url: string | URL,
  options: Options = {},
): Push<TopicTypes> {
  const {
    transports = ["websocket", "sse", "poll"],
    backoff = [500, 30_000],
    connectTimeout = 10_000,
    probe = 300_000,
    signal,
  } = options;
  const settings: Settings = { transports, backoff, connectTimeout, probe };
  const http = createHttp(url, options);
  let page: AbortController | undefined;

  const connection = new Connection(
    settings,
    http,
    new Turns(transports, `${url}`, probe),
    {
      topics: () => topics.open(),
      serves(attempt, welcome) {
        topics.served(attempt.topics, welcome);
        sends.flush();
      },
      idle: () => sends.flush(),
      heard(frame) {
        topics.hear(frame);
        sends.hear(frame);
      },
      lost() {
        topics.lost();
        sends.lost();
      },
      refused: (answers) => topics.refused(answers),
      closed(error) {
        page?.abort();
        topics.closed(error);
        sends.closed();
      },
    },
    (which, followed, watcher) => {
      const transport = transports[which] ?? "websocket";
      if (transport === "websocket")
        return new Attempt(which, transport, [], watcher, (link) => webSocket(http, options.WebSocket, link));
      const open = transport === "sse" ? eventStream : poll;
      return new Attempt(which, transport, followed, watcher, (link) => open(http, followed, link, connection.quiet));
    },
  );

  const topics = new Topics(
    {
      get online() {
        return connection.serving !== undefined;
      },
      get closed() {
        return connection.status.state === "closed" ? connection.status.error : undefined;
      },
      get duplex() {
        return connection.serving?.duplex === true;
      },
      write: (frame) => connection.serving?.write(frame),
      open: () => connection.open(),
      reopen: () => connection.reopen(),
      answered: () => sends.flush(),
    },
    backoff,
  );

  const sends = new Sends(
    {
      get closed() {
        return connection.status.state === "closed";
      },
      way() {
        return connection.serving?.sender ?? (connection.posts ? "post" : undefined);
      },
      open: () => connection.open(),
    },
    topics,
    http,
  );

  const listen = (): void => {
    page = new AbortController();
    watchPage(connection, page.signal);
  };
  const close = (): void => connection.close(new PushError("closed"));
  listen();
  if (signal?.aborted) close();
  signal?.addEventListener("abort", close);

  const push: Push<TopicTypes> = {
    get status() {
      return connection.status;
    },
    get pending() {
      return sends.pending;
    },
    get buffered() {
      return sends.waiting + (connection.serving?.sender?.buffered ?? 0);
    },
    async drain(below = 65_536) {
      while (push.buffered >= below && connection.status.state !== "closed")
        await new Promise((done) => setTimeout(done, drainInterval));
      if (connection.status.state === "closed") throw new PushError("closed");
    },
    on: (_, listener) => push.onStatus(listener),
    onStatus(listener) {
      connection.listeners.add(listener);
      listener(connection.status);
      return () => connection.listeners.delete(listener);
    },
    subscribe: (topic, handlers, how = {}) => subscribe(topics, topic, handlers, how),
    send: (topic, data, how) => sends.send(topic, data, how),
    reconnect() {
      if (connection.status.state === "closed") {
        listen();
        topics.reopened();
      }
      connection.reconnect();
    },
    close,
  };
  return push;
}
