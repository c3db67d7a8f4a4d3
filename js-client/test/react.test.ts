// @vitest-environment happy-dom
import { act, createElement, type FC, StrictMode } from "react";
import { createRoot, hydrateRoot, type Root } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Frame } from "../src/frame.ts";
import {
  type StateView,
  type TopicOptions,
  type TopicView,
  useConnection,
  useStateTopic,
  useTopic,
} from "../src/react.ts";
import type { Push } from "../src/types.ts";
import { cursorAt } from "./cursors.ts";
import { FakeSocket } from "./fakesocket.ts";
import { client, pass, settle, virtualTime } from "./setup.ts";

virtualTime();
const mounted = new Set<Root>();
beforeEach(() => void vi.stubGlobal("IS_REACT_ACT_ENVIRONMENT", true));
afterEach(async () => {
  for (const root of mounted) await act(async () => root.unmount());
  mounted.clear();
});

const options = { transports: ["websocket"] } as const;

/** A component in StrictMode on a connection that is online. */
async function mount<Props extends object>(component: FC<Props>, props: Props) {
  const root = createRoot(document.createElement("div"));
  mounted.add(root);
  const render = (props: Props) =>
    act(async () => root.render(createElement(StrictMode, null, createElement(component, props))));
  await render(props);
  return { render, unmount: () => act(async () => root.unmount()) };
}

const say = (frame: Frame) => act(async () => FakeSocket.last.say(frame));
/** The topics that the client follows after all that it has said. */
function following(): string[] {
  const topics = new Set<string>();
  for (const frame of FakeSocket.last.said) {
    if (frame.type === "subscribe") for (const { topic } of frame.topics) topics.add(topic);
    if (frame.type === "unsubscribe") for (const topic of frame.topics) topics.delete(topic);
  }
  return [...topics];
}

/** The server answers the newest request for topics, or refuses it. */
const answer = (place: object, topic = "a") =>
  act(async () => {
    FakeSocket.last.say({
      type: "subscribed",
      id: FakeSocket.last.of("subscribe").at(-1)?.id,
      topics: [{ topic, ...place }],
    });
    await settle();
  });

async function online() {
  const made = client(options);
  FakeSocket.last.welcome();
  await settle();
  return made;
}

type TopicProps = { push: Push; topic: string; how: TopicOptions | undefined; show(view: TopicView): void };
const Topic: FC<TopicProps> = ({ push, topic, how, show }) => {
  show(useTopic(push, topic, how));
  return null;
};

/** Mounts a component that shows topic "a". */
async function showTopic(how?: TopicOptions) {
  const { push } = await online();
  const shown: { view?: TopicView } = {};
  const show = (view: TopicView) => {
    shown.view = view;
  };
  const mounted = await mount(Topic, { push, topic: "a", how, show });
  const texts = () => shown.view?.messages.map(({ data }) => data);
  const other = (topic: string) => mounted.render({ push, topic, how, show });
  return { shown, texts, other, unmount: mounted.unmount };
}

test("a component shows a topic's messages, and unsubscribes when it is unmounted", async () => {
  const { shown, texts, unmount } = await showTopic();
  expect(following()).toEqual(["a"]);
  expect(shown.view).toEqual({ messages: [], last: undefined, ready: false, error: undefined });
  await answer({ cursor: cursorAt(0), from: "now" });
  expect(shown.view?.ready).toBe(true);
  await say({ type: "message", topic: "a", data: "1" });
  await say({ type: "message", topic: "a", data: "2" });
  expect(texts()).toEqual(["1", "2"]);
  expect(shown.view?.last?.data).toBe("2");
  await unmount();
  expect(following()).toEqual([]);
});

test("no more messages are kept than asked for, and a gap begins again", async () => {
  const { texts, shown } = await showTopic({ keep: 2 });
  await answer({ cursor: cursorAt(0), from: "now" });
  for (const data of ["1", "2", "3"]) await say({ type: "message", topic: "a", data });
  expect(texts()).toEqual(["2", "3"]);
  await say({ type: "gap", topic: "a", reason: "trimmed", cursor: cursorAt(9) });
  expect(texts()).toEqual([]);
  expect(shown.view?.last?.data).toBe("3");
  await say({ type: "message", topic: "a", data: "10" });
  expect(texts()).toEqual(["10"]);
});

test("another topic shows nothing of the last one", async () => {
  const { texts, other } = await showTopic();
  await answer({ cursor: cursorAt(0), from: "now" });
  await say({ type: "message", topic: "a", data: "1" });
  await other("b");
  expect(texts()).toEqual([]);
  expect(following()).toEqual(["b"]);
});

test("a refusal is shown, until the topic is followed", async () => {
  const { shown } = await showTopic();
  await answer({ error: { code: "rate_limited", retry: "later" } });
  expect(shown.view).toMatchObject({ ready: false, error: { code: "rate_limited" } });
  await act(() => pass(30_000));
  await answer({ cursor: cursorAt(0), from: "now" });
  expect(shown.view).toMatchObject({ ready: true, error: undefined });
});

const Prices: FC<{ push: Push; show(view: StateView): void }> = ({ push, show }) => {
  show(useStateTopic(push, "a"));
  return null;
};

test("a component shows a state, and two of them share it", async () => {
  const { push } = await online();
  const shown: StateView[] = [];
  const show = (n: number) => (view: StateView) => {
    shown[n] = view;
  };
  const first = await mount(Prices, { push, show: show(0) });
  expect(shown[0]).toEqual({ map: new Map(), synced: false, error: undefined });
  await answer({ kind: "state", epoch: "9f8a6c21d0e4b735", from: "snapshot" });
  await say({ type: "state", topic: "a", changes: [{ key: "x", version: 1, data: 5 }] });
  await say({ type: "synced", topic: "a", epoch: "9f8a6c21d0e4b735", cursor: cursorAt(1) });
  expect(shown[0]).toEqual({ map: new Map([["x", 5]]), synced: true, error: undefined });
  const before = shown[0]?.map;
  const second = await mount(Prices, { push, show: show(1) });
  expect(shown[1]).toEqual(shown[0]);
  await say({ type: "state", topic: "a", changes: [{ key: "x", version: 2, data: 6 }], at: cursorAt(2).slice(21) });
  expect([before?.get("x"), shown[0]?.map.get("x"), shown[1]?.map.get("x")]).toEqual([5, 6, 6]);
  await first.unmount();
  expect(following()).toEqual(["a"]);
  await second.unmount();
  expect(following()).toEqual([]);
});

const Status: FC<{ push: Push }> = ({ push }) => {
  const { messages } = useTopic(push, "a");
  const { map } = useStateTopic(push, "s");
  return createElement("p", null, `${useConnection(push).state} ${messages.length} ${map.size}`);
};

test("what the server renders asks for nothing, and the page takes it over", async () => {
  const { push } = await online();
  const html = renderToString(createElement(Status, { push }));
  expect(html).toBe("<p>idle 0 0</p>");
  await settle();
  expect(following()).toEqual([]);
  const container = document.createElement("div");
  container.innerHTML = html;
  const onRecoverableError = vi.fn();
  const root = await act(async () => hydrateRoot(container, createElement(Status, { push }), { onRecoverableError }));
  expect(container.textContent).toBe("online 0 0");
  await act(async () => push.close());
  expect(container.textContent).toBe("closed 0 0");
  expect(onRecoverableError).not.toHaveBeenCalled();
  await act(async () => root.unmount());
});
