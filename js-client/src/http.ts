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

/** Asks for the topics, from where they are unless `since` says. */
export function query(topics: Topic[], since = join(topics.flatMap(({ cursor }) => cursor ?? []))): URLSearchParams {
  const query = new URLSearchParams(topics.map(({ topic, kind = "topic" }) => [kind, topic]));
  query.set("since", since);
  const recent = Math.max(...topics.map(({ recent = 0 }) => recent));
  if (recent) query.set("recent", `${recent}`);
  return query;
}

/** What a link is read with, until `signal` says that it is closed. */
export interface Reader {
  readonly signal: AbortSignal;
  /** Resolves to an answer with status 2xx; another one ends the link. */
  get(path: string): Promise<Response>;
  /** Hands on a frame as JSON, or a sign of life. */
  hear(data?: string): void;
}

/**
 * Carries frames over HTTP: those that `read` hears, which asks for the topics, and beside them what is sent. Follows the
 * topics it is opened with, until `read` returns or throws. Ends like a WebSocket whose close code is the HTTP status and
 * 4000, or 1006 if there was no answer.
 */
export function overHTTP(
  url: string,
  request: typeof fetch,
  topics: Topic[],
  read: (reader: Reader) => Promise<void>,
): Link {
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
  const hear: Reader["hear"] = (data) => link.onmessage?.({ data });

  const { signal } = stop;
  let response: Response | undefined;
  const get: Reader["get"] = async (path) => {
    signal.throwIfAborted();
    response = await request(`${url}/${path}`, { signal, cache: "no-store" });
    if (response.ok) return response;
    hear(JSON.stringify({ ...(await response.json()), type: "error" }));
    throw response;
  };
  const run = async (): Promise<void> => {
    try {
      await read({ signal, get, hear });
    } catch {}
    link.onclose?.({
      code: response ? 4000 + response.status : 1006,
      reason: `${response?.headers.get("Retry-After")}000`,
    });
  };
  // Nothing is asked for without a topic, and a send needs none.
  if (topics[0]) run();
  else setTimeout(hear, 0, '{"type":"welcome","heartbeat":1e9}');
  return link;
}
