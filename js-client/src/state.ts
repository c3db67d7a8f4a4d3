import type { PushError } from "./error.ts";
import { notify } from "./notify.ts";
import type { Data, Push, Subscription } from "./types.ts";

/** A live copy of a state topic, which stays as it was while there is no connection. */
export interface State<T extends Data = Data> extends Iterable<[key: string, value: T]> {
  readonly topic: string;
  /** How many keys there are. */
  readonly size: number;
  get(key: string): T | undefined;
  has(key: string): boolean;
  /** What a change of the key has to name that holds only if nobody else has changed it; undefined if there is no such key. */
  version(key: string): string | undefined;
  /** All keys are there that the topic had when the client came to it, last. */
  readonly synced: boolean;
  /** Fulfilled when it is synced for the first time; rejected when the topic is refused for good, or the connection closes before the topic is followed. */
  readonly ready: Promise<void>;
  /**
   * Calls `listener` after each change, until the function returned is called: with the keys that may have another value
   * now, or none; when it gets synced there may be none.
   */
  onChange(listener: (keys: readonly string[]) => void): () => void;
  close(): void;
}

/** What all of one topic and connection share. */
interface Shared {
  readonly values: Map<string, Data>;
  readonly versions: Map<string, number>;
  epoch: string | undefined;
  synced: boolean;
  readonly ready: Promise<void>;
  /** One for each that uses it. */
  readonly users: Set<(keys: string[], error?: PushError) => void>;
  readonly subscription: Subscription;
}

const opened = new WeakMap<Push<object>, Map<string, Shared>>();

/** Follows a state topic. `onError` gets to know when the server refuses it: for good if `retry` is "never". */
export function state<T extends Data = Data>(
  push: Push<object>,
  topic: string,
  onError?: (error: PushError) => void,
): State<T> {
  const topics = opened.get(push) ?? new Map<string, Shared>();
  opened.set(push, topics);
  const shared = topics.get(topic) ?? open(push as Push, topic, topics);
  topics.set(topic, shared);
  const { values, versions, users } = shared;
  const watchers = new Set<(keys: readonly string[]) => void>();
  const user = (keys: string[], error?: PushError): void => (error ? onError?.(error) : notify(watchers, keys));
  users.add(user);
  return {
    topic,
    ready: shared.ready,
    get size() {
      return values.size;
    },
    get synced() {
      return shared.synced;
    },
    get: (key) => values.get(key) as T | undefined,
    has: (key) => values.has(key),
    version: (key) => (versions.has(key) ? `${shared.epoch}-${versions.get(key)}` : undefined),
    [Symbol.iterator]: () => values[Symbol.iterator]() as IterableIterator<[string, T]>,
    onChange(listener) {
      watchers.add(listener);
      return () => watchers.delete(listener);
    },
    close() {
      watchers.clear();
      if (!users.delete(user) || users.size) return;
      shared.subscription.close();
      if (topics.get(topic) === shared) topics.delete(topic);
    },
  };
}

function open(push: Push, topic: string, topics: Map<string, Shared>): Shared {
  const values: Shared["values"] = new Map();
  const versions: Shared["versions"] = new Map();
  const users: Shared["users"] = new Set();
  let done!: () => void;
  let fail!: (error: PushError) => void;
  const ready = new Promise<void>((resolve, reject) => {
    done = resolve;
    fail = reject;
  });
  const subscription = push.subscribe(
    topic,
    {
      state({ type, epoch, changes }) {
        const keys = type === "reset" ? [...values.keys()] : changes.map(({ key }) => key);
        const news = keys[0] !== undefined || (type === "synced" && !shared.synced);
        shared.epoch = epoch ?? shared.epoch;
        if (type === "reset") {
          values.clear();
          versions.clear();
          shared.synced = false;
        }
        for (const { key, op, data, start, version } of changes)
          if (op === "delete") {
            values.delete(key);
            versions.delete(key);
          } else {
            values.set(key, op === "append" ? `${values.get(key) ?? ""}`.slice(0, start) + data : (data as Data));
            versions.set(key, version as number);
          }
        if (type === "synced") {
          shared.synced = true;
          done();
        }
        if (news) notify(users, keys);
      },
      error(error) {
        if (error.retry === "never") {
          topics.delete(topic);
          fail(error);
        }
        notify(users, [], error);
      },
    },
    { kind: "state" },
  );
  subscription.ready.catch((error) => {
    if (error.retry === "never") fail(error);
  });
  ready.catch(() => {}); // whoever awaits it is told; nobody has to
  const shared: Shared = { values, versions, epoch: undefined, synced: false, ready, users, subscription };
  return shared;
}
