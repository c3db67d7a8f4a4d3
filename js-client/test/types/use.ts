// What must compile, and, at each marked line, what must not.
import { WebSocket as WsWebSocket } from "ws";
import { connect, type Data, type Message, type Push, PushError, type Subscription } from "../../dist/client.mjs";
import { connect as connectNode } from "../../dist/node.mjs";
import { type StateView, useConnection, useStateTopic, useTopic } from "../../dist/react.mjs";
import { type State, state } from "../../dist/state.mjs";

const push: Push = connect("/push");
connect(new URL("https://example.com/push"), { transports: ["sse"], backoff: [1, 2], connectTimeout: 1, probe: 1 });
connect("/push", { WebSocket, fetch });
connect("/push", { WebSocket: WsWebSocket });
// @ts-expect-error: there is no such transport
connect("/push", { transports: ["polling"] });
// @ts-expect-error: one number is no range
connect("/push", { backoff: [500] });
// @ts-expect-error: there is no such option
connect("/push", { retries: 5 });
// @ts-expect-error: a URL is needed
connect();

const sub: Subscription = push.subscribe("orders/42", (message) => {
  const data: Data = message.data;
  if (data instanceof Uint8Array) data.byteLength;
  else if (typeof data === "string") data.trim();
  else if (Array.isArray(data)) data.length;
  else if (typeof data === "object") data?.name satisfies Data | undefined;
  else data satisfies number | boolean;
  // @ts-expect-error: it may be no text
  data.trim();
  const order = message.json<{ id: number }>();
  order.id.toFixed();
  // @ts-expect-error: the id may be absent
  message.id.trim();
  // @ts-expect-error: the time may be absent
  message.time.toFixed();
  // @ts-expect-error: what places a message is its cursor
  message.offset;
  // @ts-expect-error: messages are read only
  message.topic = "x";
  // @ts-expect-error: unknown until it is said what it is
  message.json().id;
  return data;
});
push.subscribe(
  "a",
  {
    message(m: Message) {
      m.id;
    },
    gap: (g) => g.now?.offset,
    error: (e) => e.retry === "never",
  },
  { since: sub.cursor },
);
push.subscribe("a", {}, { recent: 20 });
// @ts-expect-error: a number of messages
push.subscribe("a", {}, { recent: "all" });
// @ts-expect-error: messages have no such field
push.subscribe("a", (m) => m.payload);
// @ts-expect-error: there is no such handler
push.subscribe("a", { massage() {} });
// @ts-expect-error: a cursor is text
push.subscribe("a", () => {}, { since: 5 });
// @ts-expect-error: the cursor is the client's
sub.cursor = "x";
const ready: Promise<{ resumed: boolean }> = sub.ready;

const prices: State = state(push, "prices", (error) => error.retry === "never");
const flags = state<boolean>(push, "flags");
interface OfInterface {
  prices: string;
  [order: `orders/${string}`]: { id: number };
}
const ofInterface = connect<OfInterface>("/push");
state(ofInterface, "prices").get("ACME") satisfies Data | undefined;
state<number>(ofInterface, "counts").get("a")?.toFixed();
// @ts-expect-error: that is no client
state({}, "prices");
const useCount = (): string | undefined => useStateTopic<number>(ofInterface, "counts").map.get("a")?.toFixed();
flags.get("dark")?.valueOf() satisfies boolean | undefined;
for (const [key, value] of flags) [key satisfies string, value satisfies boolean];
prices.onChange((keys) => keys.map((key) => [key, prices.get(key), prices.version(key)?.length]))();
// @ts-expect-error: its keys are the server's to change
prices.set("ACME", 1);
// @ts-expect-error: it may be absent
prices.version("ACME").length;
push.subscribe(
  "prices",
  { state: ({ type, changes }) => type === "synced" || changes[0]?.op === "delete" },
  { kind: "state" },
);
// @ts-expect-error: there is no such kind
push.subscribe("prices", {}, { kind: "log" });

interface Topics {
  [order: `orders/${string}`]: { id: number };
  chat: string;
}
const typed: Push<Topics> = connectNode<Topics>("https://example.com/push");
export function useAll(): void {
  useTopic(typed, "chat", { keep: 5, recent: 5 }).last?.data.trim();
  useTopic(typed, "orders/42").messages.map(({ data }) => data.id.toFixed());
  // @ts-expect-error: there is no such topic
  useTopic(typed, "chats");
  useStateTopic<number>(push, "prices") satisfies StateView<number>;
  // @ts-expect-error: its keys are the server's to change
  useStateTopic(push, "prices").map.set("ACME", 1);
  useConnection(typed).state satisfies string;
}

const reply: Promise<Data | undefined> = push.send("a", { any: "thing" }, { event: "e", id: "1", timeout: 5 });
push.send("a", "text");
push.send("a", new Uint8Array(3));
for (const value of [5, true, null, ["a"]]) push.send("a", value);
// @ts-expect-error: JSON can't say that
push.send("a", undefined);
// @ts-expect-error: nor that
push.send("a", 5n);
// @ts-expect-error: data is needed
push.send("a");

const off: () => void = push.onStatus(({ state, transport, error, retryAt }) => {
  if (state === "closed" && error?.code === "unauthenticated") push.reconnect();
  // @ts-expect-error: there is no such state
  if (state === "offline") return;
  // @ts-expect-error: it may be absent
  retryAt.toFixed();
  transport satisfies "websocket" | "sse" | "poll" | undefined;
});
const count: number = push.pending;
// @ts-expect-error: the status is the client's
push.status = { state: "online" };

const error: Error = new PushError("forbidden", "no", "never");

export { count, error, off, prices, ready, reply, useCount };
