/** Whether trying again may help: not at all, at once, or after a while. */
export type Retry = "never" | "now" | "later";
/** The server's codes, and those that only the client knows. */
export type ErrorCode = "bad_request" | "unauthenticated" | "forbidden" | "conflict" | "too_large" | "wrong_kind" | "rate_limited" | "limit_reached" | "timeout" | "slow_consumer" | "draining" | "unavailable" | "not_replicated" | "internal"
/** The server, or something before it, says no for good and gives no code. */
 | "refused"
/** The server broke the protocol; the client has left and resumes. */
 | "protocol_violation"
/** The transport was refused or cut. */
 | "transport_failed"
/** The transport did not open in time. */
 | "transport_timeout"
/** The transport opened, but something on the way holds the bytes back. */
 | "transport_buffered"
/** Nothing was heard for too long. */
 | "transport_silent"
/** It may or may not have happened: sending again with the same id is safe. */
 | "unknown"
/** This client is closed. */
 | "closed" | (string & {});
/** The one error of this library. */
export declare class PushError extends Error {
    readonly code: ErrorCode;
    readonly retry: Retry;
    /** The server's own delay before a retry, in milliseconds; 0 if it gave none. */
    readonly after: number;
    /** The id of the message that was to be sent; undefined for other errors. */
    readonly id: string | undefined;
    constructor(code: ErrorCode, reason?: string, retry?: Retry, after?: number, id?: string);
}
export type TransportName = "websocket" | "sse" | "poll";
export interface Options {
    /** The transports to use, the preferred one first. Default: `["websocket", "sse", "poll"]`. */
    transports?: readonly TransportName[];
    /** The wait before a new attempt, in milliseconds: it grows between these two, with full jitter. Default: `[500, 30_000]`. */
    backoff?: readonly [least: number, greatest: number];
    /**
     * How long a transport may take until the server's first frame, in milliseconds; an event stream half as long where polls
     * are next. Default: 10 s.
     */
    connectTimeout?: number;
    /** How often to try the better transports again while another one serves, in milliseconds. Default: 5 minutes. */
    probe?: number;
    /** Where there is no global one. */
    WebSocket?: typeof WebSocket;
    /** Where there is no global one, or to add headers or credentials. */
    fetch?: typeof fetch;
}
export interface Status {
    /**
     * `connecting`: an attempt is under way. `online`: the server has answered. `waiting`: until `retryAt`, or until the
     * page is shown again. `closed`: by `close()`, or for good with an `error`.
     */
    readonly state: "connecting" | "online" | "waiting" | "closed";
    /** What serves now. */
    readonly transport?: TransportName | undefined;
    /** What the server calls this connection while it is online, if it says so: for requests about it. */
    readonly session?: string | undefined;
    /** Why it is waiting or closed. */
    readonly error?: PushError | undefined;
    /** When the next attempt starts, as in `Date.now()`. */
    readonly retryAt?: number | undefined;
}
/** A JSON value. */
export type Json = null | boolean | number | string | Json[] | {
    [name: string]: Json;
};
/** What was published as text is a string, bytes are a `Uint8Array`, and JSON is the value, which handlers share. */
export type Data = Json | Uint8Array<ArrayBuffer>;
export interface Message {
    readonly topic: string;
    /** Undefined if the publisher gave none. */
    readonly id?: string | undefined;
    /** Empty if the publisher gave none. */
    readonly event: string;
    /** Empty if the publisher gave none. */
    readonly key: string;
    readonly data: Data;
    /** The topic's cursor after this message; undefined if the message was never stored and can't be resumed. */
    readonly cursor: string | undefined;
    /** When the broker took it, in milliseconds since 1970, where a rule of the server's says that clients are told. */
    readonly time?: number | undefined;
    /** The data that came as JSON; or the text, parsed, which throws a `SyntaxError` if it isn't JSON. */
    json<T = unknown>(): T;
}
export interface Position {
    readonly epoch: string;
    readonly offset: number;
}
/** Messages were missed and can't be replayed. What follows comes after `now`; load the state again. */
export interface Gap {
    readonly topic: string;
    readonly reason: "trimmed" | "epoch" | "fork" | "too_many" | "unknown_cursor" | (string & {});
    readonly last: Position | undefined;
    readonly now: Position | undefined;
    readonly cursor: string | undefined;
}
/** What becomes of a key of a state topic. */
export interface Change {
    readonly key: string;
    readonly op: "set" | "append" | "delete";
    /** Undefined if the key is deleted. */
    readonly data?: Data | undefined;
    /** Where `data` begins in the value, if it is appended: the value becomes its first so many characters and `data`. */
    readonly start?: number | undefined;
    /** The part of the key's version after the epoch; undefined if the key is deleted. */
    readonly version?: number | undefined;
}
/**
 * What a state topic says. `state`: make these changes, in order. `synced`: all keys are there. `reset`: forget all keys;
 * those that there are follow.
 */
export interface StateEvent {
    readonly type: "state" | "synced" | "reset";
    readonly changes: readonly Change[];
    /** That of the versions of all keys from now on; undefined if it stays. */
    readonly epoch?: string | undefined;
}
export interface Handlers {
    message?(message: Message): void;
    gap?(gap: Gap): void;
    /** Of a state topic, instead of messages and gaps. */
    state?(event: StateEvent): void;
    /**
     * The server refuses this topic. With `retry` "never" the subscription has ended; otherwise the next connection asks for
     * it again.
     */
    error?(error: PushError): void;
}
export interface SubscribeOptions {
    /**
     * Continue after this cursor, such as one that came with a snapshot. Without it, from now on. Ignored for a topic that is
     * followed already.
     */
    since?: string | undefined;
    /**
     * Begin with so many of the last messages where there is no cursor to continue from, and after each gap. Ignored for a
     * topic that is followed already. Event streams and polls have one such number: the largest that one of their topics asks for.
     */
    recent?: number | undefined;
    /**
     * The topic is a state, and `state` of `tidewire/state` keeps its keys and values. A subscription of a topic that is
     * followed already gets only what changes from then on, and has to be of the same kind.
     */
    kind?: "state" | undefined;
}
export interface Subscription {
    readonly topic: string;
    /** The place after the last message whose handlers ran; undefined until it is known. */
    readonly cursor: string | undefined;
    /** Fulfilled when the topic is followed; rejected when it is refused for good or the connection closes before. */
    readonly ready: Promise<void>;
    close(): void;
}
export interface SendOptions {
    event?: string | undefined;
    /** The message's id. Sending again with the same id makes one message. Default: a random UUID. */
    id?: string | undefined;
    /** How long to wait for the answer, in milliseconds, connecting included. Default: 10 s. */
    timeout?: number | undefined;
}
/** A connection. */
export interface Push {
    /** A new object after each change, the same one between changes. */
    readonly status: Status;
    /** How many sends are not answered yet. */
    readonly pending: number;
    /** Calls `listener` now and after each change, until the function returned is called. */
    onStatus(listener: (status: Status) => void): () => void;
    /** Follows a topic. Several subscriptions of a topic share one on the wire: a later one joins where the topic is. */
    subscribe(topic: string, handlers: Handlers | ((message: Message) => void), options?: SubscribeOptions): Subscription;
    /**
     * Sends a message, a value that is neither text nor bytes as JSON, and resolves to the data of the server's reply. Waits while there is no connection. Rejects with a
     * {@link PushError}, whose `id` is the message's; code `unknown` says that it may have arrived, and
     * `too_large` that its frame would have more than 64 KiB.
     */
    send(topic: string, data: string | Uint8Array<ArrayBuffer> | object | number | boolean | null, options?: SendOptions): Promise<Data | undefined>;
    /** Tries now instead of waiting; opens again what was closed, subscriptions included. */
    reconnect(): void;
    /** Closes the connection and frees timers and listeners. */
    close(): void;
}
/** Connects to the push routes below `url`, which may be relative to the page, and stays connected until `close()`. */
export declare function connect(url: string | URL, options?: Options): Push;
