import { caught } from "./failure.ts";
import type { Link, Listener } from "./link.ts";
import type { Topic } from "./topic.ts";

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

/** What asks for the topics, from where they are unless `since` says. */
export function ask(
  topics: readonly Topic[],
  since = join(topics.flatMap(({ cursor }) => cursor ?? [])),
): URLSearchParams {
  const query = new URLSearchParams(topics.map(({ name, kind = "topic" }) => [kind, name]));
  query.set("since", since);
  const recent = Math.max(...topics.map(({ recent = 0 }) => recent));
  if (recent) query.set("recent", `${recent}`);
  return query;
}

/** What a link is read with, until `signal` says that it is closed. */
export interface Reader {
  readonly signal: AbortSignal;
  readonly hear: Listener["hear"];
}

/** A link that carries the frames that `read` hears, until that returns or throws. */
export function readLink(listener: Listener, read: (reader: Reader) => Promise<void>): Link {
  const stop = new AbortController();
  const { signal } = stop;
  const hear: Listener["hear"] = (json) => {
    if (!signal.aborted) listener.hear(json);
  };
  read({ signal, hear })
    .then(() => Promise.reject(new Error("it ended")))
    .catch((cause) => {
      if (!signal.aborted) listener.ended(caught(cause, "transport_failed"));
    });
  return { buffered: 0, close: () => stop.abort() };
}
