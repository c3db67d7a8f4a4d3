import { connect as open } from "./index.ts";
import type { Data, Options, Push, WebSocketLike } from "./types.ts";

export * from "./index.ts";

/**
 * A client for Node of the push routes below `url`, which has to be absolute: there is no page that it could be relative to. Where
 * Node has no `WebSocket` of its own, that of the package `ws` is used, and without the package an event stream serves.
 */
export function connect<TopicTypes extends object = Record<string, Data>>(
  url: string | URL,
  options: Options = {},
): Push<TopicTypes> {
  if (!/^(http|ws)s?:\/\/./i.test(`${url}`))
    throw new TypeError(
      `connect: "${url}" is no absolute URL; in Node it has to be one, as https://example.com/push is`,
    );
  return open<TopicTypes>(url, { WebSocket: globalThis.WebSocket ?? Socket, ...options });
}

/** How long a server has to answer a close, in milliseconds. */
const closeTimeout = 1_000;

/** A WebSocket of the package `ws`, which is loaded when one is needed: `connect` can't wait for it. */
class Socket implements WebSocketLike {
  onmessage: WebSocketLike["onmessage"] = null;
  onclose: WebSocketLike["onclose"] = null;
  onerror: WebSocketLike["onerror"] = null;
  #socket: (WebSocketLike & { terminate(): void }) | undefined;
  #closed = false;

  constructor(url: string, protocol?: string) {
    this.#open(url, protocol).catch(({ message }) => this.onclose?.({ code: 1006, reason: message } as never));
  }

  async #open(url: string, protocol?: string): Promise<void> {
    const { WebSocket } = await import("ws");
    if (this.#closed) return;
    const socket: WebSocketLike & { terminate(): void } = new WebSocket(url, protocol);
    socket.onmessage = (event) => this.onmessage?.(event);
    socket.onclose = (event) => this.onclose?.(event);
    socket.onerror = (event) => this.onerror?.(event);
    this.#socket = socket;
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(text: string): void {
    this.#socket?.send(text);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
    // A server that is gone doesn't answer, and the socket would keep the process for half a minute.
    const timer: unknown = setTimeout(() => this.#socket?.terminate(), closeTimeout);
    (timer as { unref(): void }).unref();
  }
}
