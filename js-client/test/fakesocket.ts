import type { Frame } from "../src/frame.ts";
import { constant, cursorAt } from "./cursors.ts";

/** A WebSocket whose other end is the test. */
export class FakeSocket {
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    return FakeSocket.all.at(-1) as FakeSocket;
  }
  /** The constructor to hand to the client. */
  static get type(): typeof WebSocket {
    FakeSocket.all = [];
    return FakeSocket as unknown as typeof WebSocket;
  }

  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  bufferedAmount = 0;
  closed = false;
  /** All that the client says, and without its pings. */
  readonly said: Frame[] = [];
  get sent(): Frame[] {
    return this.said.filter(({ type }) => type !== "ping");
  }
  readonly url: string;
  readonly protocol: string;

  constructor(url: string, protocol: string) {
    this.url = url;
    this.protocol = protocol;
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    this.said.push(JSON.parse(text));
  }

  close(): void {
    this.closed = true;
  }

  /** What the server says. */
  say(frame: unknown): void {
    this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  welcome(heartbeat = 25_000, session = "s", features = ["recent", "state"]): void {
    this.say({ type: "welcome", protocol: "tidewire.v1", session, heartbeat, features, topics: [] });
  }

  /** Answers the newest subscribe: each topic at its own cursor, or at offset 0. */
  subscribed(): void {
    const { id, topics } = this.sent.findLast(({ type }) => type === "subscribe") as { id: number; topics: Frame[] };
    const answers = topics.map(({ topic, since }) => ({
      topic,
      from: since ? "cursor" : "now",
      cursor: since ?? cursorAt(0, topic),
    }));
    this.say({ type: "subscribed", id, topics: answers });
  }

  /** How the server, or something before it, ends the connection. */
  end(code: number, reason = ""): void {
    this.onclose?.({ code, reason });
  }

  /** The connection can't be made. Like an EventEmitter of Node's, it throws an error that nobody listens for. */
  fail(): void {
    const error = new Error("connect ECONNREFUSED");
    if (!this.onerror) throw error;
    this.onerror(error);
    this.end(1006);
  }

  of(type: string): Frame[] {
    return this.said.filter((frame) => frame.type === type);
  }
}

/** The message frame at an offset. */
export const messageAt = (offset: number, topic = "a"): Frame => ({
  type: "message",
  topic,
  at: cursorAt(offset, topic).slice(constant),
  data: `${offset}`,
});
