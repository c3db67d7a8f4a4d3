import { PushError } from "./error.ts";
import type { Change, Data, Message, Sendable } from "./types.ts";

/** One JSON object of the wire, or what stands for one. Not yet trusted: only what the page could suffer from is checked. */
// biome-ignore lint/suspicious/noExplicitAny: JSON is
export type Frame = Readonly<Record<string, any>>;

/** The longest frame, or line of a stream, that is read, in characters. */
export const longestFrame = 1e7;

/** What holds as long as the server keeps to the protocol. */
export function check(holds: unknown): asserts holds {
  if (!holds) throw new PushError("protocol_violation");
}

/** The data of a message or a reply. */
export function payload({ data, encoding }: Frame): Data {
  if (!encoding) return data;
  check(typeof data === "string");
  return Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0));
}

/** Which kind of thing it is, in whatever window it was made. */
const kindOf = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

/** Lets through what JSON has a form for. Others, such as a Map, would become `{}`. */
function plain(_key: string, value: unknown): unknown {
  const kind = kindOf(value);
  if (
    !/^(Object|Array|String|Number|Boolean|Null|Undefined)$/.test(kind) ||
    (kind === "Number" && !Number.isFinite(value))
  )
    throw new TypeError(`can't send a ${kind}`);
  return value;
}

/** A frame as JSON. Throws a `TypeError` for what has no form in JSON. */
export const write = (frame: Frame): string => JSON.stringify(frame, plain);

export const base64 = (data: Uint8Array): Frame => ({
  encoding: "base64",
  data: btoa(data.reduce((text, byte) => text + String.fromCharCode(byte), "")),
});

/** The fields of a frame that carry data. */
export function pack(data: Exclude<Sendable, Blob>): Frame {
  if (ArrayBuffer.isView(data)) return base64(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (kindOf(data) === "ArrayBuffer") return base64(new Uint8Array(data as ArrayBuffer));
  if (data === undefined) throw new TypeError("can't send undefined");
  return { data };
}

/** A change of a state. */
export function toChange({ op = "set", data, encoding, ...change }: Frame): Change {
  check(/^(set|append|delete)$/.test(op) && (op === "delete" || data !== undefined));
  return { ...change, op, data: payload({ data, encoding }) } as Change;
}

/** The message in the fields of a frame, with the cursor after it. */
export function toMessage({ at, encoding, ...frame }: Frame, cursor: string | undefined): Message {
  check(frame.data !== undefined);
  const data = payload({ data: frame.data, encoding });
  return {
    event: "",
    key: "",
    ...frame,
    data,
    cursor,
    json: () => (typeof frame.data === "string" ? JSON.parse(data as string) : data),
  } as Message;
}
