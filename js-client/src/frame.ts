import { type ErrorCode, PushError, type Retry } from "./error.ts";

/** One JSON object of the wire, not yet trusted: whoever reads a field checks it. */
export type Frame = Readonly<Record<string, unknown>>;

/** What holds in every frame of a server that keeps to the protocol. */
export function check(holds: unknown): asserts holds {
  if (!holds) throw new PushError("protocol_violation");
}

let lastId = 0;
/** An id for a request, used once in this page. */
export const nextId = (): number => ++lastId;

/** The data of a message or a reply. */
export function payload({ data, encoding }: Frame): string | Uint8Array<ArrayBuffer> {
  check(typeof data === "string");
  return encoding ? Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0)) : data;
}

/** The fields that carry data in a frame. */
export const pack = (data: string | Uint8Array): object =>
  typeof data === "string"
    ? { data }
    : { encoding: "base64", data: btoa(Array.from(data, (byte) => String.fromCharCode(byte)).join("")) };

/** The error that a frame tells of, or the body of a refused request. `otherwise` if it tells of none. */
export const toError = ({ code, reason, retry }: Frame, otherwise = new PushError("unknown")): PushError =>
  code ? new PushError(code as ErrorCode, reason as string, retry as Retry, otherwise.after) : otherwise;
