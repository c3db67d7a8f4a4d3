import { type ErrorCode, PushError } from "./error.ts";
import { payload } from "./frame.ts";
import { messageId } from "./messageid.ts";
import type { Link, Outgoing } from "./transport.ts";
import type { Push } from "./types.ts";

/** The sends that are not answered yet, those that wait for a connection among them. */
export interface Outbox {
  readonly size: number;
  readonly send: Push["send"];
  /** A link is up: what waits goes out. */
  flush(link: Link): void;
  /** Nothing goes out any more. */
  end(): void;
}

/** `upLink` gives the link that is up, if one is. */
export function createOutbox(most: number, mostSize: number, upLink: () => Link | undefined): Outbox {
  const waiting = new Set<Outgoing>();
  /** How to give up on each. */
  const pending = new Map<Outgoing, (code: ErrorCode) => void>();
  let size = 0;

  return {
    get size() {
      return pending.size;
    },

    send: (topic, body, { event, id = messageId(), timeout = 10_000 } = {}) =>
      new Promise((resolve, reject) => {
        const data = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
        const link = upLink();
        const stop = new AbortController();

        const done = (): void => {
          if (pending.delete(message)) size -= data.length;
          waiting.delete(message);
          clearTimeout(timer);
          stop.abort();
        };
        const fail = (error: PushError): void => {
          done();
          error.id = id;
          reject(error);
        };
        // What has left may have arrived, why ever nobody waits for the answer.
        const giveUp = (code: ErrorCode): void => fail(new PushError(waiting.has(message) ? code : "unknown"));

        const message: Outgoing = {
          topic,
          event,
          id,
          data,
          signal: stop.signal,
          fail,
          answer(reply) {
            try {
              resolve(reply.data === undefined ? undefined : payload(reply));
              done();
            } catch {
              giveUp("unknown");
            }
          },
        };
        const timer = setTimeout(giveUp, timeout, "timeout");
        if (pending.size >= most || size + data.length + (link?.buffered ?? 0) > mostSize)
          return fail(new PushError("limit_reached", "too much is waiting to be sent"));
        pending.set(message, giveUp);
        size += data.length;
        if (link) link.send(message);
        else waiting.add(message);
      }),

    flush(link) {
      for (const message of [...waiting]) {
        waiting.delete(message);
        link.send(message);
      }
    },

    end() {
      for (const giveUp of [...pending.values()]) giveUp("closed");
    },
  };
}
