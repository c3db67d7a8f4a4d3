import type { Data, Options, Push } from "./client.mjs";
export * from "./client.mjs";
/**
 * A client for Node of the push routes below `url`, which has to be absolute: there is no page that it could be relative to. Where
 * Node has no `WebSocket` of its own, that of the package `ws` is used, and without the package an event stream serves.
 */
export declare function connect<TopicTypes extends object = Record<string, Data>>(url: string | URL, options?: Options): Push<TopicTypes>;
