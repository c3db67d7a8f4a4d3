import type { ErrorCode } from "./error.ts";
import type { Sender } from "./follow.ts";
import { type Frame, longestTimer, nextId, payload, toError } from "./frame.ts";
import { post } from "./post.ts";
import type { Link } from "./transport.ts";
import type { Push } from "./types.ts";

const mostPending = 1e6;
// What a send counts besides its data, which bounds their number, too.
const overhead = 1e4;

interface Send {
  readonly frame: Frame;
  /** The link it went out on. */
  link?: Link;
  /** Takes a reply or an error. */
  answer(frame: Frame): void;
}

/** The sends that are not answered yet, those that wait for a connection among them. */
export interface Outbox extends Sender {
  /** How many there are. */
  readonly pending: () => number;
  readonly send: Push["send"];
}

export function createOutbox(url: string, request: typeof fetch): Outbox {
  const sends = new Map<number, Send>();
  let size = 0;
  /** The link that is up. */
  let up: Link | undefined;
  let closed: boolean | undefined;

  const flush = (): void => {
    for (const send of sends.values()) {
      if (send.link || !up) continue;
      send.link = up;
      if (up.write) up.write(send.frame);
      else
        post(url, request, send.frame)
          .then(send.answer)
          .catch(() => giveUp(send, "unknown"));
    }
  };

  // What has left may have arrived, why ever nobody waits for the answer.
  const giveUp = (send: Send, code: ErrorCode): void => send.answer({ code: send.link ? "unknown" : code });

  return {
    flush(link) {
      up = link;
      flush();
    },

    answer: (frame) => sends.get(frame.id as number)?.answer(frame),

    lost(final) {
      up = undefined;
      closed = final;
      // A POST is answered on its own.
      for (const send of sends.values()) if (final || send.link?.write) giveUp(send, "closed");
    },

    pending: () => sends.size,

    send: (topic, body, { event = "", id: message = randomId(), timeout = 10_000 } = {}) =>
      new Promise((resolve, reject) => {
        const data = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
        const own = data.length + overhead;
        const id = nextId();
        const send: Send = {
          frame: { type: "send", id, topic, event, message, ...pack(data) },
          answer(frame) {
            if (frame.type === "reply") resolve(frame.data === undefined ? undefined : payload(frame));
            reject(Object.assign(toError(frame), { id: message }));
            clearTimeout(timer);
            if (sends.delete(id)) size -= own;
          },
        };
        const timer = setTimeout(giveUp, Math.min(timeout, longestTimer), send, "timeout");
        if (closed) return giveUp(send, "closed");
        if (size + own + (up?.buffered?.() ?? 0) > mostPending) return giveUp(send, "limit_reached");
        sends.set(id, send);
        size += own;
        flush();
      }),
  };
}

/** The fields that carry data in a frame. */
const pack = (data: string | Uint8Array): Frame =>
  typeof data === "string"
    ? { data }
    : { encoding: "base64", data: btoa(data.reduce((text, byte) => text + String.fromCharCode(byte), "")) };

/** Pages without TLS have no `randomUUID`. */
const randomId = (): string => crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
