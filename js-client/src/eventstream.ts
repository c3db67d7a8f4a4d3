import { readEvents } from "./events.ts";
import { payload } from "./frame.ts";
import type { Link } from "./link.ts";
import type { Topic } from "./topic.ts";

// All bodies that a browser keeps alive may have 64 KiB together.
const mostKeptAlive = 1e4;

/** The characters of a cursor's part that are of the topic alone. */
const ofTopic = 10;

/** One cursor of many. A page may give one of several topics to each: a server knows no place of a topic that is there twice. */
function join(cursors: string[]): string {
  const parts = new Map<string, string>();
  // A topic's own cursor is shorter than one of several, and newer.
  for (const cursor of cursors.sort((a, b) => b.length - a.length))
    for (const part of cursor.split(".")) parts.set(part.slice(0, ofTopic), part);
  return [...parts.values()].join(".");
}

/**
 * Carries frames over an event stream, and beside it what is sent. Follows the topics it is opened with. Ends like a
 * WebSocket whose close code is the HTTP status and 4000, or 1006 if there was no answer. Not by `EventSource`, which hides the
 * status, gives up for good on most, and in Firefox also when the server restarts.
 */
export function eventStream(url: string, request: typeof fetch, topics: Topic[]): Link {
  const stop = new AbortController();
  const link: Link = {
    async send(json) {
      const frame = JSON.parse(json);
      const { topic, event, message: id } = frame;
      const data = payload(frame);
      const response = await request(`${url}/send?${new URLSearchParams({ topic, event, id })}`, {
        method: "POST",
        body:
          typeof data === "string"
            ? data
            : data instanceof Uint8Array
              ? new Blob([data], { type: "application/octet-stream" })
              : new Blob([JSON.stringify(data)], { type: "application/json" }),
        keepalive: json.length < mostKeptAlive,
      });
      return { ...(await response.json()), type: response.ok ? "reply" : "error" };
    },
    close: () => stop.abort(),
  };
  const hear = (data?: string): void => link.onmessage?.({ data });

  const read = async (): Promise<void> => {
    let response: Response | undefined;
    try {
      const query = new URLSearchParams(topics.map(({ topic, kind = "topic" }) => [kind, topic]));
      query.set("since", join(topics.flatMap(({ cursor }) => cursor ?? [])));
      const recent = Math.max(...topics.map(({ recent = 0 }) => recent));
      if (recent) query.set("recent", `${recent}`);
      response = await request(`${url}/sse?${query}`, { signal: stop.signal });
      if (response.ok) await readEvents(response.body as ReadableStream<Uint8Array>, hear);
      else hear(JSON.stringify({ ...(await response.json()), type: "error" }));
    } catch {}
    link.onclose?.({
      code: response ? 4000 + response.status : 1006,
      reason: `${response?.headers.get("Retry-After")}000`,
    });
  };
  // There is no stream of no topics, and a send needs none.
  if (topics[0]) read();
  else setTimeout(hear, 0, '{"type":"welcome","heartbeat":1e9}');
  return link;
}
