import { readEvents } from "./events.ts";
import type { Http } from "./http.ts";
import type { Link, Listener } from "./link.ts";
import { ask, readLink } from "./readlink.ts";
import type { Topic } from "./topic.ts";

/**
 * Carries frames over an event stream. Not by `EventSource`, which hides the status, gives up for good on most, and in
 * Firefox also when the server restarts.
 */
export const eventStream = (http: Http, topics: readonly Topic[], listener: Listener): Link =>
  readLink(listener, async ({ hear, signal }) => {
    const { body } = await http.get("sse", ask(topics), "text/event-stream", signal);
    await readEvents(body as ReadableStream<Uint8Array>, hear);
  });
