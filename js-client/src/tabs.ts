import { connect } from "./connect.ts";
import { PushError } from "./error.ts";
import type { Frame } from "./frame.ts";
import { notify } from "./notify.ts";
import { lead } from "./tableader.ts";
import { type Tab, tabSocket } from "./tabsocket.ts";
import type { Data, Options, Push, Status, WebSocketLike } from "./types.ts";

export interface TabsOptions extends Options {
  /** Tabs share a connection only under the same name: of one user, say. Default: `""`. */
  name?: string | undefined;
  /** `false`: this tab has a connection of its own. Default: `true`. */
  share?: boolean | undefined;
}

/** It changes with what tabs say to each other. */
const version = 1;
/** Of the wait until a tab comes to its leader again, in milliseconds. */
const backoff = [10, 5_000] as const;
/** A tab waits for a leader as long as it takes. */
const patience = 2 ** 31 - 1;

/**
 * As `connect`, with one connection for all tabs of the origin that name the same URL: that of one tab, the leader, whose options
 * count. When the leader goes, another tab takes over, from where each tab is. A tab alone does the same with itself. Where the page has
 * no Web Locks or no `BroadcastChannel`, as over plain HTTP, each tab has its own connection.
 *
 * In every tab, that of the leader as well, runs a client as `connect` makes it, whose server is the leader. So for a tab another leader is
 * no more than another connection: it asks for each topic from its cursor on, and what was sent and not answered is `unknown`.
 */
export function connectTabs<Topics extends object = Record<string, Data>>(
  url: string | URL,
  tabsOptions: TabsOptions = {},
): Push<Topics> {
  const { name = "", share = true, signal: closes, ...options } = tabsOptions;
  const { location, BroadcastChannel, navigator } = globalThis;
  if (!share || !location || !BroadcastChannel || !navigator?.locks)
    return connect(url, { ...options, signal: closes });
  const { href } = new URL(url, globalThis.document?.baseURI ?? location.href);
  const channel = `tidewire ${version} ${JSON.stringify([name, href])}`;

  const listeners = new Set<(status: Status) => void>();
  let status: Status = { state: "idle", since: Date.now() };
  /** The leader's. */
  let shared: Status | undefined;
  const polls = options.transports?.includes("poll") ?? true;

  const tab: Tab = {
    channel,
    leader: "",
    missed: 0,
    reader: () => connect(`${href}#reader`, polls ? { ...options, transports: ["poll"] } : options),
    heard({ error, ...fields }) {
      // It has not had a topic yet, or says the same again.
      if (fields.state === "idle" || (fields.state === shared?.state && fields.since === shared.since)) return;
      shared = {
        ...fields,
        ...(error && { error: new PushError(error.code, error.reason, error.retry, error.after) }),
      };
      change();
    },
    depose: () => stand(true),
  };

  // A page that is kept as it is keeps its lock and is silent, so it withdraws. When it goes on its client comes again.
  let standing: AbortController | undefined;
  const stand = (steal = false): void => {
    standing?.abort();
    const mine = new AbortController();
    const { signal } = mine;
    standing = mine;
    for (const type of ["pagehide", "freeze"])
      globalThis.addEventListener?.(type, () => mine.abort(), { capture: true, signal });
    const serve = (): Promise<void> | undefined => {
      if (signal.aborted) return;
      const stop = lead(
        channel,
        `${Math.max(Date.now(), +tab.leader.slice(0, 13) + 1)} ${crypto.randomUUID()}`,
        url,
        options,
      );
      return new Promise((release) =>
        signal.addEventListener("abort", () => {
          stop();
          release();
        }),
      );
    };
    navigator.locks.request(channel, steal ? { steal } : { signal }, serve).catch(({ name }) => {
      if (signal.aborted) return;
      // It was stolen; or locks can't be had here, and many leaders do no harm.
      if (name === "AbortError") stand();
      else serve();
    });
  };

  let socket: WebSocketLike | undefined;
  class TabSocket {
    constructor() {
      if (!standing || standing.signal.aborted) stand();
      socket = tabSocket(tab);
      // biome-ignore lint/correctness/noConstructorReturn: the client wants a constructor
      return socket;
    }
  }
  const own = connect<Topics>(`${href}#tab`, {
    transports: ["websocket"],
    WebSocket: TabSocket as unknown as Options["WebSocket"],
    backoff,
    connectTimeout: patience,
    signal: closes,
  });

  const change = (): void => {
    const { state } = own.status;
    const next = state === "closed" || state === "idle" ? own.status : shared;
    if (next === status || (status.state === "connecting" && (!next || next.state === "connecting"))) return;
    status = next ?? { state: "connecting", since: Date.now() };
    notify(listeners, status);
  };
  own.onStatus(({ state }) => {
    if (state === "closed") {
      standing?.abort();
      shared = undefined;
    }
    change();
  });

  const onStatus: Push["onStatus"] = (listener) => {
    listeners.add(listener);
    listener(status);
    return () => listeners.delete(listener);
  };
  const tell = (frame: Frame): void => socket?.send(JSON.stringify(frame));
  return {
    get status() {
      return status;
    },
    get pending() {
      return own.pending;
    },
    get buffered() {
      return own.buffered;
    },
    drain: own.drain,
    on: (_, listener) => onStatus(listener),
    onStatus,
    subscribe: own.subscribe,
    send(topic, data, { id = crypto.randomUUID(), ...how } = {}) {
      const sent = own.send(topic, data, { ...how, id });
      // Nobody waits any more: if it has not left by now it is not to leave.
      sent.catch(() => tell({ type: "cancel", message: id }));
      return sent;
    },
    reconnect() {
      own.reconnect();
      tell({ type: "reconnect" });
    },
    close: own.close,
  };
}
