import { joinCursors } from "./cursor.ts";
import { PushError } from "./error.ts";
import { eventParser } from "./eventparser.ts";
import { farewell, refusal, violation } from "./failure.ts";
import { byTopic, decode, type Frame } from "./frame.ts";
import type { Hooks, Link, Outgoing, Transport } from "./transport.ts";

const mostTopics = 50;
// Browsers refuse to keep alive more than 64 KiB of bodies.
const mostKeptAlive = 60_000;

/**
 * Follows topics over one event stream, and sends by POST. Not by `EventSource`, which tells no status, gives up for good
 * on most of them, and in Firefox on a restart of the server.
 */
export function eventStream(url: string, request: typeof fetch, maxFrame: number): Transport {
  return {
    open: (hooks) => open(hooks, url, request, maxFrame),
  };
}

function open(hooks: Hooks, url: string, request: typeof fetch, maxFrame: number): Link {
  const stop = new AbortController();
  const { signal } = stop;
  const places = hooks.wanted();
  const followed = new Set(places.slice(0, mostTopics));
  let opened = false;
  let ending: PushError | undefined;

  const receive = (frame: Frame): void => {
    if (signal.aborted) return;
    ending = farewell(frame) ?? ending;
    hooks.frame(frame);
    if (frame.type !== "welcome") return;
    const answers = byTopic(frame);
    for (const place of places) {
      const answer = followed.has(place)
        ? answers.get(place.topic)
        : { error: { code: "limit_reached", reason: `more than ${mostTopics} topics on an event stream`, retry: "later" } };
      if (signal.aborted || !answer) continue;
      if (answer.error) followed.delete(place);
      hooks.place(place, answer);
    }
  };

  const read = async (): Promise<PushError> => {
    // The server streams at least one topic. With none there is nothing to hear, and sends need no stream.
    if (!followed.size) {
      hooks.frame({ type: "welcome", heartbeat: Number.MAX_SAFE_INTEGER });
      return new Promise(() => {});
    }
    const query = new URLSearchParams();
    for (const place of followed) {
      place.placed = false;
      query.append("topic", place.topic);
    }
    const since = joinCursors([...followed].map(({ cursor }) => cursor));
    if (since) query.set("since", since);
    const init = { cache: "no-store", headers: { Accept: "text/event-stream" }, signal } as const;
    const response = await request(`${url}/sse?${query}`, init);
    const type = response.headers.get("Content-Type") ?? "";
    if (response.status !== 200 || !/^text\/event-stream *(;|$)/i.test(type)) return refusal(response);
    opened = true;
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const parse = eventParser(({ data }) => receive(decode(data)), maxFrame);
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return new PushError("transport_failed", "the stream ended");
      hooks.heard();
      try {
        parse(value);
      } catch (cause) {
        return violation(cause);
      }
    }
  };

  // A microtask later, so that `open` has returned before anything is told.
  Promise.resolve()
    .then(read)
    .catch((cause) => new PushError("transport_failed", String(cause)))
    .then((failure) => {
      if (signal.aborted) return;
      stop.abort();
      hooks.down(ending ?? failure);
    });

  return {
    name: "sse",
    get opened() {
      return opened;
    },
    buffered: 0,
    sync() {
      const wanted = hooks.wanted().slice(0, mostTopics);
      return wanted.length === followed.size && wanted.every((place) => followed.has(place));
    },
    send: (message) => post(`${url}/send`, request, message),
    ping: () => false,
    close: () => stop.abort(),
  };
}

/** Outlives the stream: its answer is its own. */
async function post(url: string, request: typeof fetch, message: Outgoing): Promise<void> {
  const { id, topic, event, data, signal } = message;
  try {
    const query = new URLSearchParams({ topic, id });
    if (event) query.set("event", event);
    const response = await request(`${url}?${query}`, {
      method: "POST",
      body: data,
      headers: { "Content-Type": typeof data === "string" ? "text/plain;charset=UTF-8" : "application/octet-stream" },
      keepalive: data.length < mostKeptAlive / 3,
      signal,
    });
    if (response.ok) return message.answer((await response.json()) as Frame);
    const failure = await refusal(response);
    // A status of the server's own is an answer; any other comes from between, and the message may have passed.
    if (failure.code !== "transport_failed") message.fail(failure);
  } catch {}
  message.fail(new PushError("unknown"));

}
