import type { Delay } from "./backoff.ts";
import { PushError } from "./error.ts";
import { provenAfter } from "./fallback.ts";
import { whole } from "./frame.ts";
import { guard } from "./guard.ts";
import { watchPage } from "./page.ts";
import type { Hooks, Link, Transport } from "./transport.ts";
import type { Status } from "./types.ts";

// A timer of more than 2^31 ms fires at once, and no server should be able to send a client away for hours.
const longestWait = 300_000;
const longestHeartbeat = 86_400_000;
const heartbeatSlack = 10_000;
const pingTimeout = 4_000;

/** What the connection serves. */
export interface Client extends Pick<Hooks, "wanted" | "frame" | "place"> {
  /** The server has welcomed the link. */
  online(link: Link): void;
  /** It is over until `open`. */
  ended(error: PushError): void;
}

/** Keeps one link alive: when to open one, when to give it up, how long to wait. */
export interface Connection {
  readonly status: Status;
  readonly violations: number;
  /** The link, if it is up. */
  up(): Link | undefined;
  onStatus(listener: (status: Status) => void): () => void;
  /** Opens now, unless it is open or opening. */
  open(): void;
  /** The wanted topics have changed. */
  sync(): void;
  /** For good, because of `error` if there is one. */
  close(error?: PushError): void;
}

export function createConnection(
  transport: Transport,
  client: Client,
  delay: Delay,
  connectTimeout: number,
): Connection {
  const listeners = new Set<(status: Status) => void>();
  let status: Status = { state: "closed" };
  let link: Link | undefined;
  /** Set by the server's first frame on the link. */
  let welcomedAt: number | undefined;
  let heardAt = 0;
  let heartbeat = 0;
  let failures = 0;
  let violations = 0;
  let syncing = false;
  let page: AbortController | undefined;
  /** Of the attempt, of the silence, or of the wait: there is always one at a time. */
  let timer: ReturnType<typeof setTimeout> | undefined;

  const arm = (wait: number, then: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(then, wait);
  };
  // The last act of whoever calls it: a listener may do anything.
  const tell = (next: Status): void => {
    status = next;
    for (const listener of [...listeners]) guard(() => listener(next));
  };
  const leave = (failure?: PushError): void => {
    clearTimeout(timer);
    link?.close(failure);
    link = welcomedAt = undefined;
  };

  const start = (): void => {
    leave();
    link = transport.open(hooks);
    arm(connectTimeout, () => lose(link?.opened ? "transport_buffered" : "transport_timeout"));
    if (status.state !== "online") tell({ state: "connecting" });
  };

  const lose = (code: "transport_buffered" | "transport_timeout" | "transport_silent"): void => {
    const failure = new PushError(code);
    link?.close(failure);
    down(failure);
  };

  const down = (failure: PushError): void => {
    link = undefined;
    if (failure.code === "protocol_violation") violations++;
    if (failure.retry === "never") return close(failure);
    if (welcomedAt !== undefined && performance.now() - welcomedAt > provenAfter) failures = 0;
    welcomedAt = undefined;
    const { after } = failure;
    // A server that names a delay is believed the first time; after that its delay can only be longer than ours.
    const own = after === undefined || failures ? delay(failures) : 0;
    const wait = Math.min(Math.max(after ?? 0, own), longestWait);
    failures++;
    arm(wait, start);
    tell({ state: "waiting", error: failure, retryAt: Date.now() + wait });
  };

  const heard = (): void => {
    heardAt = Date.now();
    if (welcomedAt !== undefined) arm(heartbeat + heartbeatSlack, () => lose("transport_silent"));
  };

  const hooks: Hooks = {
    wanted: client.wanted,
    place: client.place,
    heard,
    down,
    frame(frame) {
      if (frame.type !== "welcome") return client.frame(frame);
      heartbeat = Math.min(whole(frame.heartbeat), longestHeartbeat);
      welcomedAt = performance.now();
      heard();
      sync();
      const transport = link?.name;
      if (status.state !== "online" || status.transport !== transport) tell({ state: "online", transport });
      if (link) client.online(link);
    },
  };

  const wake = (): void => {
    if (!link) start();
    else if (welcomedAt === undefined) return;
    else if (link.ping()) arm(pingTimeout, () => lose("transport_silent"));
    else if (Date.now() - heardAt > heartbeat + pingTimeout) start();
  };
  const sleep = (): void => {
    leave();
    tell({ state: "waiting" });
  };

  const sync = (): void => {
    if (syncing) return;
    syncing = true;
    queueMicrotask(() => {
      syncing = false;
      if (link && !link.sync()) start();
    });
  };

  const close = (error?: PushError): void => {
    if (!page) return;
    page.abort();
    page = undefined;
    leave();
    client.ended(error ?? new PushError("closed"));
    tell({ state: "closed", error });
  };

  return {
    get status() {
      return status;
    },
    get violations() {
      return violations;
    },
    up: () => (status.state === "online" ? link : undefined),
    onStatus(listener) {
      const own = (next: Status): void => listener(next);
      listeners.add(own);
      guard(() => own(status));
      return () => listeners.delete(own);
    },
    open() {
      if (!page) {
        page = new AbortController();
        failures = 0;
        watchPage({ wake, sleep }, page.signal);
      }
      wake();
    },
    sync,
    close,
  };
}
