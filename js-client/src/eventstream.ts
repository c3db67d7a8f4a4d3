import { readEvents } from "./events.ts";
import { overHTTP, query } from "./http.ts";
import type { Link } from "./link.ts";
import type { Topic } from "./topic.ts";

/**
 * Carries frames over an event stream. Not by `EventSource`, which hides the status, gives up for good on most, and in
 * Firefox also when the server restarts.
 */
export const eventStream = (url: string, request: typeof fetch, topics: Topic[]): Link =>
  overHTTP(url, request, topics, async ({ get, hear }) =>
    readEvents((await get(`sse?${query(topics)}`)).body as ReadableStream<Uint8Array>, hear),
  );
