import { follow, routes } from "./follow.ts";
import { createOutbox } from "./outbox.ts";
import type { Options, Push } from "./types.ts";

/** Connects to the push routes below `url`, which may be relative to the page, and stays connected until `close()`. */
export function connect(url: string | URL, options: Options = {}): Push {
  const outbox = createOutbox(routes(url), options.fetch ?? fetch);
  const push = Object.assign(follow(url, options, outbox), { send: outbox.send });
  return Object.defineProperty(push, "pending", { get: outbox.pending }) as Push;
}
