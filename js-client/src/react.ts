"use client";

import { useCallback, useMemo, useSyncExternalStore } from "react";
import type { PushError } from "./error.ts";
import { state } from "./state.ts";
import type { Data, MessageOf, Push, Status, SubscribeOptions } from "./types.ts";

/** How a topic is followed. What counts is what they are when the component begins with the topic. */
export interface TopicOptions extends Omit<SubscribeOptions, "kind" | "signal"> {
  /** How many of the last messages to keep. Default: 100. */
  keep?: number | undefined;
}

/** What has come of a topic since the component began with it. */
export interface TopicView<T = Data> {
  /** The last messages, the newest one last. None is missing between them: at a gap they begin again. */
  readonly messages: readonly MessageOf<T>[];
  readonly last: MessageOf<T> | undefined;
  /** The server has answered, and the topic is followed. */
  readonly ready: boolean;
  /** Why it isn't followed: for good if `retry` is "never", or for now. */
  readonly error: PushError | undefined;
}

/** A state topic as it is now. */
export interface StateView<T extends Data = Data> {
  /** The keys and values. A new map after each change, the same one between changes. */
  readonly map: ReadonlyMap<string, T>;
  /** No key is missing. */
  readonly synced: boolean;
  /** Why it isn't followed: for good if `retry` is "never", or for now. */
  readonly error: PushError | undefined;
}

/** Something outside React, which changes while somebody watches it. */
interface Store<View> {
  watch(changed: () => void): () => void;
  view(): View;
  /** While the server renders, and until the page has taken over what it rendered. */
  first(): View;
}

const use = <View>({ watch, view, first }: Store<View>): View => useSyncExternalStore(watch, view, first);

/** A store that begins with `first` whenever `open` begins to follow; what that returns ends it. */
function store<View extends object>(
  first: View,
  open: (set: (news: Partial<View>) => void) => () => void,
): Store<View> {
  let view = first;
  return {
    view: () => view,
    first: () => first,
    watch(changed) {
      let watched = true;
      const set = (news: Partial<View>): void => {
        if (!watched) return;
        view = { ...view, ...news };
        changed();
      };
      set(first);
      const close = open(set);
      return () => {
        watched = false;
        close();
      };
    },
  };
}

/** Follows a topic while the component is mounted. */
export function useTopic<Topics extends object, Topic extends keyof Topics & string>(
  push: Push<Topics>,
  topic: Topic,
  options: TopicOptions = {},
): TopicView<Topics[Topic]> {
  // biome-ignore lint/correctness/useExhaustiveDependencies: other options for the same topic would mean to begin again.
  return use(useMemo(() => topicStore(push, topic, options), [push, topic]));
}

function topicStore<Topics extends object, Topic extends keyof Topics & string>(
  push: Push<Topics>,
  topic: Topic,
  { keep = 100, ...how }: TopicOptions,
): Store<TopicView<Topics[Topic]>> {
  type View = TopicView<Topics[Topic]>;
  const first: View = { messages: [], last: undefined, ready: false, error: undefined };
  return store(first, (set) => {
    let messages: View["messages"] = [];
    const subscription = push.subscribe(
      topic,
      {
        message(last) {
          messages = keep > 0 ? [...messages, last].slice(-keep) : messages;
          set({ messages, last, ready: true, error: undefined });
        },
        gap() {
          messages = [];
          set({ messages });
        },
        error(error) {
          set({ ready: false, error });
          wait();
        },
      },
      how,
    );
    // After a refusal for now there is another promise.
    const wait = (): void =>
      void subscription.ready.then(
        () => set({ ready: true, error: undefined }),
        (error) => set({ error }),
      );
    wait();
    return subscription;
  });
}

/** Follows a state topic while the component is mounted. */
export function useStateTopic<T extends Data = Data>(push: Push<object>, topic: string): StateView<T> {
  return use(useMemo(() => stateStore<T>(push, topic), [push, topic]));
}

function stateStore<T extends Data>(push: Push<object>, topic: string): Store<StateView<T>> {
  const first: StateView<T> = { map: new Map(), synced: false, error: undefined };
  return store(first, (set) => {
    const copy = state<T>(push, topic, (error) => set({ error }));
    const take = (): void => set({ map: new Map(copy), synced: copy.synced, error: undefined });
    copy.onChange(take);
    // Another component may have it already.
    if (copy.synced) take();
    copy.ready.catch((error) => set({ error }));
    return () => copy.close();
  });
}

const idle: Status = { state: "idle", since: 0 };

/** The status of the connection. */
export function useConnection<Topics extends object>(push: Push<Topics>): Status {
  const watch = useCallback((changed: () => void) => push.onStatus(changed), [push]);
  return use({ watch, view: () => push.status, first: () => idle });
}
