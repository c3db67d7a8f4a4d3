import { closing } from "./closing.ts";
import { PushError } from "./error.ts";
import { eventParser } from "./eventparser.ts";
import { toError } from "./frame.ts";
import type { Link, Transport } from "./transport.ts";

const mostTopics = 50;

/**
 * Carries frames over an event stream. Not by `EventSource`, which hides the status, gives up for good on most, and in
 * Firefox also when the server restarts.
 */
export const eventStream =
  (url: string, request: typeof fetch): Transport =>
  ({ places, heard, receive, down }) => {
    const stop = new AbortController();
    const { signal } = stop;
    const link: Link = {
      name: "sse",
      close: () => stop.abort(),
    };

    const read = async (): Promise<unknown> => {
      const followed = places().slice(0, mostTopics);
      // There is no stream of no topics, and a send needs none.
      if (!followed[0]) return setTimeout(() => signal.aborted || receive('{"type":"welcome","heartbeat":1e9}'));
      const query = new URLSearchParams(followed.map(({ topic }) => ["topic", topic]));
      query.set("since", followed.flatMap(({ cursor }) => cursor ?? []).join("."));
      const response = await request(`${url}/sse?${query}`, { signal });
      const { headers, status } = response;
      if (!/^text\/event-stream/.test(`${headers.get("Content-Type")}`)) {
        const failure = closing(4000 + status, `${headers.get("Retry-After")}000`);
        throw toError(await response.json().catch(() => ({})), failure);
      }
      link.opened = true;
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      const parse = eventParser((data) => signal.aborted || receive(data));
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        heard();
        parse(next.value);
      }
      throw "ended";
    };
    read().catch(
      (cause) => signal.aborted || down(cause.retry ? cause : new PushError("transport_failed", `${cause}`)),
    );
    return link;
  };
