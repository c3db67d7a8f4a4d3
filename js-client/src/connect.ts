import { fullJitter } from "./backoff.ts";
import { eventStream } from "./eventstream.ts";
import { codeOf, toError } from "./failure.ts";
import { type Frame, pack, payload, toChange, toMessage } from "./frame.ts";
import type { Link } from "./link.ts";
import { notify } from "./notify.ts";
import { poll } from "./poll.ts";
import { createTopic, cursorAt, moveTo, type Topic } from "./topic.ts";
import type { Options, Push, Status, TransportName } from "./types.ts";

// All times are in milliseconds. No server should be able to send a client away for hours.
const longestWait = 3e5;
const heartbeatSlack = 10_000;
const pingTimeout = 4_000;
/** A timer of 2^31 and more fires at once. */
const longestTimer = 2e9;
/** A link that has lived this long after its welcome has proved that it works. */
const provenAfter = 5_000;

/** What an event stream or a poll carries. */
const mostTopics = 50;

/** Of a frame, in bytes: a longer one would make the server end the connection. */
const longestSend = 65536;
/** Of sends without an answer, and of bytes that wait in the socket. */
const mostPending = 100;
const mostBuffered = 1e6;

/** Of a request; each is used once in this page. */
let lastId = 0;

/** A message that is not answered yet. */
interface Send {
  readonly frame: string;
  /** How it has left. */
  via?: TransportName;
  /** Takes a reply or an error. */
  answer(frame: Frame): void;
}

/** Connects to the push routes below `url`, which may be relative to the page, and stays connected until `close()`. */
export function connect(url: string | URL, options: Options = {}): Push {
  const {
    transports = ["websocket", "sse", "poll"],
    backoff: [least, greatest] = [500, 30_000],
    connectTimeout = 10_000,
    probe = 300_000,
    WebSocket: Socket = globalThis.WebSocket,
    fetch: request = fetch,
  } = options;
  const base = new URL(url, globalThis.location?.href).href.replace(/\/$/, "");

  const listeners = new Set<(status: Status) => void>();
  const topics = new Map<string, Topic>();
  const sends = new Map<number, Send>();
  let status: Status = { state: "closed" };

  let link: Link | undefined;
  /** It is no WebSocket: its topics are fixed. */
  let stream = false;
  /** Which of the transports, and how often in a row it has failed. */
  let at = 0;
  let strikes = 0;
  /**
   * How much speaks for polls, of which 2 is enough: 1 for a failure of the transport before them, 2 if it hung. Once a
   * transport has proved that it works, a failure says that the server is away, and nothing for polls.
   */
  let doubts = 0;
  /** What it means if nothing more comes over the link. */
  let silence: string;
  /** When the link's first frame came. */
  let welcomed = 0;
  let heartbeat: number;
  /** The server takes `recent`, and states; one that doesn't know them would refuse the frame. */
  let takesRecent: boolean | undefined;
  let takesStates: boolean | undefined;
  /** Why the server is about to end the link. */
  let ending: Frame | undefined;
  let failures = 0;
  let page: AbortController | undefined;
  /** Of the attempt, of the silence, or of the wait: only one of them is on. */
  let timer: ReturnType<typeof setTimeout> | undefined;
  /** A link of a better transport, which is tried beside the one that serves. */
  let trial: Link | undefined;
  let trialTimer: ReturnType<typeof setTimeout> | undefined;

  const is = (name: TransportName, which = at): boolean => transports[which] === name;

  const arm = (wait: number, then: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(then, wait);
  };

  // A listener may do anything, even close and reconnect: what its caller does next must bear that.
  const change = (next: Status): void => {
    status = next;
    notify(listeners, status);
  };

  /** Tells the link, if it can be told anything. */
  const write = (frame: Frame): unknown => {
    const able = welcomed && !stream;
    if (able) link?.send(JSON.stringify(frame));
    return able;
  };

  /** The topics that the link has not been asked for, which it is from now on. */
  const ask = (asked: number | "welcome"): Topic[] =>
    [...topics.values()].filter((topic) => {
      const fresh = !topic.asked && (stream || takesStates || !topic.kind);
      if (fresh) topic.asked = asked;
      return fresh;
    });

  /** Brings the link in line with the topics, those of one tick together. */
  const sync = (): void =>
    queueMicrotask(() => {
      if (!(stream ? link : welcomed)) return;
      const id = ++lastId;
      const fresh = ask(id);
      if (!fresh[0]) return;
      if (stream) start();
      else
        write({
          type: "subscribe",
          id,
          topics: fresh.map(({ topic, cursor: since, recent, kind }) => ({
            topic,
            kind,
            since,
            recent: takesRecent ? recent : undefined,
          })),
        });
    });

  /** Takes the answer for a topic. */
  const place = (topic: Topic, { error, cursor, from, epoch }: Frame): void => {
    topic.asked = true;
    moveTo(topic, cursor);
    if (error) {
      const failure = toError(error);
      if (failure.retry === "never") {
        topics.delete(topic.topic);
        topic.settle(failure);
      } else if (failure.code !== "limit_reached") {
        // Refused for now: it is asked for again, unless another connection comes before that.
        topic.again = setTimeout(
          () => {
            topic.asked = false;
            sync();
          },
          Math.max(Math.min(failure.after, longestWait), fullJitter(topic.refusals++, least, greatest)),
        );
      }
      notify(topic.listeners, "error", failure);
    } else {
      topic.refusals = 0;
      if (topic.kind)
        notify(topic.listeners, "state", { type: from === "snapshot" ? "reset" : "state", changes: [], epoch });
      topic.settle();
    }
  };

  // What has left may have arrived, why ever nobody waits for the answer.
  const giveUp = (send: Send, code?: string): void => send.answer({ code: send.via ? "unknown" : code });

  /** Sends what waits, if the link is up. */
  const flush = (): void => {
    for (const send of sends.values())
      if (welcomed && !send.via) {
        send.via = transports[at] as TransportName;
        link
          ?.send(send.frame)
          ?.then(send.answer)
          .catch(() => giveUp(send));
      }
  };

  /** Ends the link; `final` if none will follow. */
  const leave = (final?: boolean): void => {
    clearTimeout(timer);
    clearTimeout(trialTimer);
    // Nobody waits for the end: on a dead path there is none.
    if (link) link.onmessage = link.onclose = null;
    link?.close();
    trial?.close();
    link = trial = undefined;
    welcomed = 0;
    for (const topic of topics.values()) {
      clearTimeout(topic.again);
      topic.asked = false;
    }
    // A POST is answered on its own.
    for (const send of sends.values()) if (final || send.via === "websocket") giveUp(send, "closed");
  };

  /** The link has failed, or is closed: the code says how, if the server has not said why. */
  const down = (code?: string, reason?: unknown, after?: string): void => {
    if (!page) return;
    const error = toError({ code, reason, after, ...ending });
    const final = error.retry === "never";
    const age = welcomed && Date.now() - welcomed;
    leave(final);
    // Transports take turns: the next one's is when one has not even opened, or has opened and soon died twice.
    if (age > provenAfter) {
      failures = strikes = 0;
      if (!is("poll")) doubts = Number.NEGATIVE_INFINITY;
    } else if (/^transport/.test(error.code) && ++strikes > (age && 1)) {
      if (is("poll", at + 1)) {
        doubts = /failed/.test(error.code) ? doubts + 1 : 2;
        // Their turn is skipped.
        if (doubts < 2) at++;
      }
      at = (at + 1) % transports.length;
      strikes = 0;
    }
    if (final) {
      page.abort();
      page = undefined;
      for (const topic of topics.values()) topic.settle(error);
      change({ state: "closed", error });
    } else {
      // A server that names a delay is believed, if that is longer.
      const wait = Math.max(fullJitter(failures, least, greatest), Math.min(error.after, longestWait));
      failures++;
      arm(wait, start);
      change({ state: "waiting", error, retryAt: Date.now() + wait });
    }
  };
  const silent = (): void => down(silence);

  const hear: Link["onmessage"] = ({ data }) => {
    try {
      if (data) take(JSON.parse(data));
    } catch (cause) {
      down("protocol_violation", cause);
    }
    silence = welcomed ? "transport_silent" : "transport_buffered";
    if (welcomed) arm(heartbeat + heartbeatSlack, silent);
  };

  const take = (frame: Frame): void => {
    const { type, ...fields } = frame;
    const { id } = fields;
    const isState = /^(state|synced|reset)$/.test(type);
    if (isState || type === "message" || type === "gap") {
      const topic = topics.get(frame.topic);
      if (topic?.asked !== true || isState === !topic.kind) return;
      const cursor = cursorAt(topic, frame.at);
      // A cursor moves only when all handlers have had the message, even one that throws.
      if (isState)
        notify(topic.listeners, "state", { type, changes: (frame.changes ?? []).map(toChange), epoch: frame.epoch });
      else if (type === "gap") notify(topic.listeners, type, fields);
      else if (cursor && cursor === topic.cursor) return;
      else notify(topic.listeners, type, toMessage(fields, cursor));
      // A reset takes the cursor: elsewhere it may be good, and the map would lack what was forgotten.
      if (type === "reset") topic.cursor = undefined;
      if (/gap|synced/.test(type)) moveTo(topic, frame.cursor);
      topic.cursor = cursor ?? topic.cursor;
    }
    if (type === "ping") write({ type: "pong" });
    if (type === "error" && !id) ending = frame;
    if (type === "reconnect") ending = { code: "unavailable", ...frame };
    if (type === "welcome") {
      welcomed = Date.now();
      heartbeat = frame.heartbeat;
      takesRecent = frame.features?.includes("recent");
      takesStates = frame.features?.includes("state");
      if (at && stream) trialTimer = setTimeout(tryBetter, provenAfter, 0);
      sync();
      flush();
      change({ state: "online", transport: transports[at], session: frame.session });
    }
    sends.get(id)?.answer(frame);
    for (const topic of topics.values())
      if (topic.asked === (id ?? type))
        // Only an answer that leaves a topic out gives no code.
        place(
          topic,
          frame.topics?.find((one: Frame) => one.topic === topic.topic) ?? {
            error: { code: "limit_reached", ...frame },
          },
        );
  };

  // In Node the package `ws` throws an error that nobody listens for. What it means, the close event says.
  const socket = (): Link =>
    Object.assign(new Socket(`${base.replace("http", "ws")}/ws`, "tidewire.v1"), { onerror() {} }) as unknown as Link;

  const open = (which: number, followed: Topic[]): Link =>
    is("websocket", which)
      ? socket()
      : (is("sse", which) ? eventStream : poll)(base, request, followed.slice(0, mostTopics));

  /** Tries the transports before the one that serves, from `which` on, and rests before the next time. */
  const tryBetter = (which: number): void => {
    clearTimeout(trialTimer);
    trial?.close();
    const rests = which === at;
    trialTimer = setTimeout(tryBetter, rests ? Math.min(probe, longestTimer) : connectTimeout, rests ? 0 : which + 1);
    const tried = rests ? undefined : open(which, [...topics.values()]);
    trial = tried;
    if (!tried) return;
    tried.onclose = () => {
      if (trial === tried) tryBetter(which + 1);
    };
    tried.onmessage = ({ data }) => {
      if (trial === tried && /"welcome"/.test(data as string)) {
        at = which;
        strikes = 0;
        start();
      }
    };
  };

  const start = (): void => {
    leave();
    stream = !is("websocket");
    ending = undefined;
    silence = "transport_timeout";
    link = open(at, stream ? ask("welcome") : []);
    link.onmessage = hear;
    link.onclose = ({ code, reason }) => down(codeOf(code), code, reason);
    // What answers at all answers a stream at once, and there is something left to try.
    arm(is("sse") && is("poll", at + 1) ? connectTimeout / 2 : connectTimeout, silent);
    if (!status.transport) change({ state: "connecting" });
  };

  const wake = (): void => {
    if (!link) start();
    else if (write({ type: "ping" })) arm(pingTimeout, silent);
  };
  const reconnect = (): void => {
    if (!page) {
      page = new AbortController();
      // What happens to the document passes the window when it is captured. Never by `unload`: it would keep the page out of
      // the back/forward cache.
      for (const type of ["online", "pagehide", "pageshow", "freeze", "resume", "visibilitychange"])
        globalThis.addEventListener?.(
          type,
          () => {
            if (/hide|freeze/.test(type)) {
              // The page may come back as it was, which would leave a connection half open.
              leave();
              change({ state: "waiting" });
            } else if (type < "v" || !document.hidden) wake();
          },
          { capture: true, signal: page.signal },
        );
    }
    wake();
  };
  reconnect();

  return {
    get status() {
      return status;
    },
    get pending() {
      return sends.size;
    },

    onStatus(listener) {
      listeners.add(listener);
      listener(status);
      return () => listeners.delete(listener);
    },

    subscribe(name, listener, options = {}) {
      const handlers = typeof listener === "function" ? { message: listener } : listener;
      const hear = (kind: keyof typeof handlers, value: unknown): void =>
        (handlers[kind] as ((value: unknown) => void) | undefined)?.(value);
      const topic = topics.get(name) ?? createTopic(name, options);
      if (topic.kind !== options.kind) throw toError({ code: "wrong_kind", retry: "never" });
      topics.set(name, topic);
      topic.listeners.add(hear);
      sync();
      return {
        topic: name,
        ready: topic.ready,
        get cursor() {
          return topic.cursor;
        },
        close() {
          topic.listeners.delete(hear);
          if (topic.listeners.size || topics.get(name) !== topic) return;
          topics.delete(name);
          clearTimeout(topic.again);
          // A stream goes on with it until it is opened anew; what comes is dropped.
          write({ type: "unsubscribe", id: ++lastId, topics: [name] });
        },
      };
    },

    send: (
      topic,
      body,
      { event = "", id: message = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, timeout = 10_000 } = {},
    ) =>
      new Promise((resolve, reject) => {
        const id = ++lastId;
        const send: Send = {
          frame: JSON.stringify({ type: "send", id, topic, event, message, ...pack(body) }),
          answer(frame) {
            if (frame.type === "reply") resolve(payload(frame));
            reject(toError(frame, message));
            clearTimeout(deadline);
            sends.delete(id);
          },
        };
        const deadline = setTimeout(giveUp, Math.min(timeout, longestTimer), send, "timeout");
        const refusal = !page
          ? "closed"
          : sends.size >= mostPending || (link?.bufferedAmount as number) > mostBuffered
            ? "limit_reached"
            : new Blob([send.frame]).size > longestSend && "too_large";
        if (refusal) giveUp(send, refusal);
        else {
          sends.set(id, send);
          flush();
        }
      }),

    reconnect,
    close() {
      ending = { code: "closed" };
      down();
    },
  };
}
