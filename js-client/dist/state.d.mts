import type { Data, Push, PushError } from "./client.mjs";
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
/** Follows a state topic. `onError` gets to know when the server refuses it: for good if `retry` is "never". */
export declare function state<T extends Data = Data>(push: Push<object>, topic: string, onError?: (error: PushError) => void): State<T>;
