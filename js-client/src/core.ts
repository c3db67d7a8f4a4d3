import { follow } from "./follow.ts";
import type { Options, Receiver } from "./types.ts";

export * from "./error.ts";
export type * from "./types.ts";

/** As in the whole client, without `send`: for pages that only receive. */
export const connect: (url: string | URL, options?: Options) => Receiver = follow;
