import type { Data, MessageOf, Push, PushError, Status, SubscribeOptions } from "./client.mjs";
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
/** Follows a topic while the component is mounted. */
export declare function useTopic<Topics extends object, Topic extends keyof Topics & string>(push: Push<Topics>, topic: Topic, options?: TopicOptions): TopicView<Topics[Topic]>;
/** Follows a state topic while the component is mounted. */
export declare function useStateTopic<T extends Data = Data>(push: Push<object>, topic: string): StateView<T>;
/** The status of the connection. */
export declare function useConnection<Topics extends object>(push: Push<Topics>): Status;
