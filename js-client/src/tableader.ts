import { connect } from "./connect.ts";
import { type Frame, payload } from "./frame.ts";
import { type Beginning, packed, relay } from "./relay.ts";
import { type FromLeader, type FromTab, toFrame } from "./tabchannel.ts";
import type { Options, Subscription } from "./types.ts";

// All times are in milliseconds.
/** How long a tab that crashed is taken for a client. In a hidden one timers run once a minute. */
const longestSilence = 150_000;
/** A tab asks again for a topic that is refused for now after so long, and gets the newest refusal. */
const leastRetry = 1_000;
/** A tab has its own deadline, and cancels. */
const never = 2 ** 31 - 1;

/** A tab that is a client. */
interface Tab {
  /** When it was heard last. */
  heard: number;
  /** What gives up its messages that are not answered yet, by their ids. */
  readonly sends: Map<string, AbortController>;
}

/** A topic that tabs follow. */
interface Shared {
  readonly kind: "state" | undefined;
  readonly subscription: Subscription;
  readonly users: Set<string>;
  /** Those of them that wait for the first answer. */
  asked: { from: string; request: number; own: boolean }[];
  /** Where it is; undefined if that isn't known yet. */
  place?: Beginning | undefined;
  /** Why it is refused for now. */
  error?: Frame | undefined;
}

/**
 * The leader of the tabs on this channel: has their connection, and serves them as a server would. Returns what ends it.
 *
 * What a topic says goes to all tabs at once. A tab that asks for one gets an answer that says where the topic is now: what is said
 * later continues from there, since a channel keeps the order of what one page says. A tab that asked for something else than
 * that place sees to it itself.
 */
export function lead(name: string, leader: string, url: string | URL, options: Options): () => void {
  const channel = new BroadcastChannel(name);
  const push = connect(url, options);
  const tabs = new Map<string, Tab>();
  const topics = new Map<string, Shared>();
  let stopped = false;

  const say = (message: Omit<FromLeader, "leader">): void => {
    if (!stopped) channel.postMessage({ ...message, leader });
  };

  /** Tells those that wait. */
  const answer = (topic: string, one: Shared): void => {
    const { place, error } = one;
    if (!place && !error) return;
    for (const { from, request, own } of one.asked) say({ to: from, answer: { topic, request, own, error, ...place } });
    one.asked = [];
  };

  const open = (entry: Frame): Shared => {
    const { topic, kind } = entry;
    const subscription = relay(push, entry, {
      begins(beginning) {
        // Tabs that were refused come again: not all of them would have asked.
        if (one.error) for (const to of one.users) say({ to, end: true });
        one.place = beginning;
        one.error = undefined;
        answer(topic, one);
      },
      said(steps) {
        one.place = { ...(one.place as Beginning), ...steps.at(-1) };
        say({ topic, steps });
      },
      refused(error) {
        // Tabs that have it come again, to be told.
        if (one.place) for (const to of one.users) say({ to, end: true });
        one.place = undefined;
        one.error = { ...toFrame(error), after: Math.max(error.after, leastRetry) };
        if (error.retry === "never" && topics.get(topic) === one) topics.delete(topic);
        answer(topic, one);
      },
    });
    const one: Shared = { kind, subscription, users: new Set(), asked: [] };
    topics.set(topic, one);
    return one;
  };

  const follow = (from: string, request: number, entry: Frame): void => {
    const { topic, kind } = entry;
    const known = topics.get(topic);
    if (known && known.kind !== kind) {
      say({ to: from, answer: { topic, request, error: { code: "wrong_kind", retry: "never" } } });
      return;
    }
    const one = known ?? open(entry);
    one.users.add(from);
    one.asked.push({ from, request, own: !known });
    answer(topic, one);
  };

  const leave = (from: string, topic: string): void => {
    const one = topics.get(topic);
    if (!one?.users.delete(from)) return;
    one.asked = one.asked.filter((asked) => asked.from !== from);
    if (one.users.size) return;
    topics.delete(topic);
    one.subscription.close();
  };

  const forget = (from: string): void => {
    for (const stop of tabs.get(from)?.sends.values() ?? []) stop.abort();
    tabs.delete(from);
    for (const topic of [...topics.keys()]) leave(from, topic);
  };

  const send = async (from: string, { sends }: Tab, frame: Frame): Promise<void> => {
    const { id, topic, event, message } = frame;
    const stop = new AbortController();
    sends.set(message, stop);
    const how = { event, id: message, timeout: never, signal: stop.signal };
    const sent = push.send(topic, payload(frame), how).then(
      (data): Frame => ({ type: "reply", ...packed(data) }),
      (error): Frame => ({ type: "error", ...toFrame(error) }),
    );
    say({ to: from, buffered: push.buffered });
    const answer = await sent;
    sends.delete(message);
    say({ to: from, buffered: push.buffered, frame: JSON.stringify({ ...answer, id }) });
  };

  const hear = (from: string, tab: Tab, frame: Frame): void => {
    const { type } = frame;
    if (type === "bye") forget(from);
    if (type === "ping") say({ to: from, frame: '{"type":"pong"}' });
    // A stream can't be asked whether it lives, and would be opened anew.
    if (type === "reconnect" || (type === "wake" && !/sse|poll/.test(`${push.status.transport}`))) push.reconnect();
    if (type === "cancel") tab.sends.get(frame.message)?.abort();
    if (type === "send") send(from, tab, frame);
    if (type === "subscribe") for (const entry of frame.topics) follow(from, frame.id, entry);
    if (type === "unsubscribe") for (const topic of frame.topics) leave(from, topic);
  };

  channel.onmessage = ({ data: { from, to, frame } }: { data: FromTab }) => {
    const tab = tabs.get(from);
    const beats = frame?.type === "beat";
    if (to === leader ? tab : beats && !to) {
      if (beats) alive(from, tab);
      else hear(from, tab as Tab, frame);
    } else if (to === leader && frame.type !== "bye") say({ to: from, end: true });
  };

  const alive = (from: string, tab?: Tab): void => {
    const now = Date.now();
    const welcome = { type: "welcome", heartbeat: never, features: ["recent", "state"], topics: [] };
    if (tab) tab.heard = now;
    else tabs.set(from, { heard: now, sends: new Map() });
    for (const [other, { heard }] of tabs) if (now - heard > longestSilence) forget(other);
    if (tab) say({ to: from });
    else tellStatus(from, JSON.stringify(welcome));
  };

  const tellStatus = (to?: string, frame?: string): void => {
    const { error, ...status } = push.status;
    say({ to, status: { ...status, error: error && toFrame(error) }, frame });
  };
  const off = push.onStatus(({ state, error }) => {
    tellStatus();
    // Closed for good: so are the tabs.
    if (state === "closed" && error) say({ frame: JSON.stringify({ type: "error", ...toFrame(error) }), end: true });
  });

  return () => {
    stopped = true;
    off();
    channel.close();
    push.close();
  };
}
