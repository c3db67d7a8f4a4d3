/** Whether trying again may help: not at all, at once, or after a while. */
export type Retry = "never" | "now" | "later";
/** The server's codes, and those that only the client knows. */
export type ErrorCode = "bad_request" | "unauthenticated" | "forbidden" | "conflict" | "too_large" | "unsupported" | "wrong_kind" | "rate_limited" | "limit_reached" | "timeout" | "slow_consumer" | "draining" | "unavailable" | "not_replicated" | "internal"
/** The server ended the connection for good and gave no code. */
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
/** The option `token` threw. */
 | "token_failed"
/** The option `load` threw. */
 | "load_failed"
/** Messages were missed, in a loop over a subscription. */
 | "gap"
/** It may or may not have happened: sending again with the same id is safe. */
 | "unknown"
/** This client, or this subscription, is closed. */
 | "closed" | (string & {});
/** The one error of this library. What caused it, if that was an exception, is its `cause`. */
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
/**
 * Why a token is asked for: a connection or a request is to be made, the one that serves expires soon, or the server has refused
 * the last one.
 */
export type TokenReason = "connect" | "refresh" | "refused";
export interface Options {
    /** The transports to use, the preferred one first. Default: `["websocket", "sse", "poll"]`. */
    transports?: readonly TransportName[] | undefined;
    /**
     * Gives the bearer token that says who the page is; nothing is anonymous. Asked before each attempt, before the identity
     * expires, and once after the server refused one. A {@link PushError} with `retry` "never" closes the client; after anything else
     * that it throws the client tries again later (`token_failed`).
     */
    token?: ((why: TokenReason) => string | undefined | null | Promise<string | undefined | null>) | undefined;
    /** Closes the client. */
    signal?: AbortSignal | undefined;
    /** The wait before a new attempt, in milliseconds: it grows between these two, with full jitter. Default: `[500, 30_000]`. */
    backoff?: readonly [least: number, greatest: number] | undefined;
    /** How long a transport may take until the server's first frame, in milliseconds. After 3 s the next one is tried beside it. Default: 10 s. */
    connectTimeout?: number | undefined;
    /**
     * How often to try the better transports again while another one serves, in milliseconds: it doubles with each failure. For as long
     * the transport that serves is also where this tab begins after a reload. Default: 5 minutes.
     */
    probe?: number | undefined;
    /** Where there is no global one. */
    WebSocket?: (new (url: string, protocols?: string) => WebSocketLike) | undefined;
    /** Where there is no global one, or to add headers or credentials. */
    fetch?: ((url: string, init?: FetchInit) => Promise<FetchResponse>) | undefined;
}
/** What the client uses of a WebSocket: that of a browser, of Node, or of the package `ws`. */
export interface WebSocketLike {
    onmessage: ((event: never) => void) | null;
    onclose: ((event: never) => void) | null;
    onerror: ((event: never) => void) | null;
    readonly bufferedAmount: number;
    send(text: string): void;
    close(): void;
}
/** What the client asks of a `fetch`: that of a browser, of Node, or of the package `undici`. */
export interface FetchInit {
    method?: string;
    headers?: Record<string, string>;
    /** A string, a `Blob`, or `URLSearchParams`. */
    body?: any;
    signal?: AbortSignal;
    cache?: "no-store";
    redirect?: "error";
    keepalive?: boolean;
}
/** What the client uses of an answer. */
export interface FetchResponse {
    readonly ok: boolean;
    readonly status: number;
    readonly headers: {
        get(name: string): string | null;
    };
    readonly body: unknown;
    json(): Promise<unknown>;
}
export interface Status {
    /**
     * `idle`: nothing was subscribed to or sent yet, so there is no connection. `connecting`: an attempt is under way. `online`: the
     * server has answered. `waiting`: until `retryAt`, or until the page is shown again. `closed`: by `close()`, or for good with an
     * `error`.
     */
    readonly state: "idle" | "connecting" | "online" | "waiting" | "closed";
    /** Since when, as in `Date.now()`. */
    readonly since: number;
    /** What serves now. */
    readonly transport?: TransportName | undefined;
    /** What the server calls this connection while it is online, if it says so: for requests about it. */
    readonly session?: string | undefined;
    /** How long the server took to answer, in milliseconds, when this connection began; undefined until it is known. */
    readonly latency?: number | undefined;
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
/** What can be sent: text, bytes, or any other value as JSON. */
export type Sendable = string | ArrayBuffer | ArrayBufferView<ArrayBuffer> | Blob | object | number | boolean | null;
export interface Message<T = Data, Event extends string = string> {
    readonly topic: string;
    /** Undefined if the publisher gave none. */
    readonly id?: string | undefined;
    /** Empty if the publisher gave none. */
    readonly event: Event;
    /** Empty if the publisher gave none. */
    readonly key: string;
    readonly data: T;
    /** The topic's cursor after this message; undefined if the message was never stored and can't be resumed. */
    readonly cursor: string | undefined;
    /** When the broker took it, in milliseconds since 1970, where a rule of the server's says that clients are told. */
    readonly time?: number | undefined;
    /** The data that came as JSON; or the text, parsed, which throws a `SyntaxError` if it isn't JSON. */
    json<T = unknown>(): T;
}
/** In the type of the topics: a topic whose data depends on the event, by their names. */
export interface Events<ByName extends object> {
    readonly events: ByName;
}
/** The messages of a topic whose type in the topics is `T`. */
export type MessageOf<T> = T extends Events<infer ByName> ? {
    [Name in keyof ByName & string]: Message<ByName[Name], Name>;
}[keyof ByName & string] : Message<T>;
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
export interface Handlers<T = Data> {
    message?(message: MessageOf<T>): void;
    gap?(gap: Gap): void;
    /** Of a state topic, instead of messages and gaps. */
    state?(event: StateEvent): void;
    /**
     * The server refuses this topic, or `load` has failed. With `retry` "never" the subscription has ended; otherwise the topic is
     * asked for again.
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
     * Loads a snapshot, at first ("start") and after each gap, and returns its cursor, from which the messages then go on: none that
     * came meanwhile is missed or comes twice. When it throws, or when gaps come one after the other with no message between them, it
     * is called again later. Ignored for a topic that is followed already.
     */
    load?: ((why: "start" | "gap") => Promise<string | undefined>) | undefined;
    /**
     * The topic is a state, and `state` of `tidewire/state` keeps its keys and values. A subscription of a topic that is
     * followed already gets only what changes from then on, and has to be of the same kind.
     */
    kind?: "state" | undefined;
    /** Closes the subscription. */
    signal?: AbortSignal | undefined;
}
/**
 * A subscription, which is its own undo: called as a function, it closes. It can be iterated once, with `for await`: leaving the
 * loop closes it. The loop throws a {@link PushError} when the topic is refused for good, when it falls 1,000 messages behind
 * (`slow_consumer`), and at a gap that neither a handler nor `load` takes (`gap`).
 */
export interface Subscription<T = Data> extends AsyncIterable<MessageOf<T>> {
    (): void;
    readonly topic: string;
    /** The place after the last message whose handlers ran; undefined until it is known. */
    readonly cursor: string | undefined;
    /**
     * Fulfilled when the topic is followed: `resumed` says that it goes on from a cursor. Rejected when it is refused, or the client
     * closes, before that. After a refusal for now, and after `reconnect()`, there is a new promise.
     */
    readonly ready: Promise<{
        resumed: boolean;
    }>;
    close(): void;
}
export interface SendOptions {
    event?: string | undefined;
    /** The message's id. Sending again with the same id makes one message. Default: a random UUID. */
    id?: string | undefined;
    /** How long to wait for the answer, in milliseconds, connecting included. Default: 10 s. */
    timeout?: number | undefined;
    /** Gives up. */
    signal?: AbortSignal | undefined;
}
/** A connection. `Topics` may name the type of the data of each topic, by its name or a pattern of names. */
export interface Push<Topics extends object = Record<string, Data>> {
    /** A new object after each change, the same one between changes. */
    readonly status: Status;
    /** How many sends are not answered yet. */
    readonly pending: number;
    /** How many bytes of sends wait in this client and its socket. */
    readonly buffered: number;
    /** Resolves when fewer than so many bytes wait; default 64 KiB. Rejects when the client closes. */
    drain(below?: number): Promise<void>;
    /** Calls `listener` now and after each change of the status, until the function returned is called. */
    on(event: "status", listener: (status: Status) => void): () => void;
    /** The same as `on("status", listener)`. */
    onStatus(listener: (status: Status) => void): () => void;
    /** Follows a topic. Several subscriptions of a topic share one on the wire: a later one joins where the topic is. */
    subscribe<Topic extends keyof Topics & string>(topic: Topic, handlers?: Handlers<Topics[Topic]> | ((message: MessageOf<Topics[Topic]>) => void), options?: SubscribeOptions): Subscription<Topics[Topic]>;
    /**
     * Sends a message, after the answers to the subscriptions made before it, and resolves to the data of the server's reply. Messages
     * of a topic are sent in order. Waits while there is no connection. Rejects with a {@link PushError}, whose `id` is the message's;
     * code `unknown` says that it may have arrived, and `too_large` that its frame would have more than 64 KiB. What is neither text,
     * bytes nor JSON is a `TypeError`.
     */
    send(topic: string, data: Sendable, options?: SendOptions): Promise<Data | undefined>;
    /** Tries now instead of waiting; opens again what was closed, subscriptions included. */
    reconnect(): void;
    /** Closes the connection and frees timers and listeners. */
    close(): void;
}
/**
 * A client of the push routes below `url`, which may be relative to the page. It connects at the first subscription or send, and
 * stays connected until `close()`.
 */
export declare function connect<TopicTypes extends object = Record<string, Data>>(url: string | URL, options?: Options): Push<TopicTypes>;
