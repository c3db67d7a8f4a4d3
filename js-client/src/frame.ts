import { type ErrorCode, PushError, type Retry } from "./error.ts";

/** One JSON object of the wire, not yet trusted: whoever reads a field checks it. */
export type Frame = Readonly<Record<string, unknown>>;

/** The longest frame, or line of a stream, that is read, in characters. */
export const longestFrame = 1e7;

/** In milliseconds; a timer of 2^31 and more fires at once. */
export const longestTimer = 2e9;

let lastId = 0;
/** An id for a request, used once in this page. */
export const nextId = (): number => ++lastId;

/** What holds as long as the server keeps to the protocol. */
export function check(holds: unknown): asserts holds {
  if (!holds) throw new TypeError();
}

/** The data of a message or a reply. */
export function payload({ data, encoding }: Frame): string | Uint8Array<ArrayBuffer> {
  check(typeof data === "string");
  return encoding ? Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0)) : data;
}

/** The error that a frame or the body of a refused request tells of; `otherwise` if it tells of none. */
export const toError = ({ code, reason, retry }: Frame, otherwise = new PushError("unknown")): PushError =>
  code ? new PushError(code as ErrorCode, reason as string, retry as Retry, otherwise.after) : otherwise;
