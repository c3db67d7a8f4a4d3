import type { Change, Data, Message } from "./types.ts";

/** One JSON object of the wire, or what stands for one. Not yet trusted: only what the page could suffer from is checked. */
// biome-ignore lint/suspicious/noExplicitAny: JSON is
export type Frame = Readonly<Record<string, any>>;

/** The longest frame, or line of a stream, that is read, in characters. */
export const longestFrame = 1e7;

/** What holds as long as the server keeps to the protocol. */
export function check(holds: unknown): asserts holds {
  if (!holds) throw "broken";
}

/** The data of a message or a reply. */
export function payload({ data, encoding }: Frame): Data {
  if (!encoding) return data;
  check(typeof data === "string");
  return Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0));
}

/** The fields of a frame that carry data. */
export const pack = (data: unknown): Frame =>
  data instanceof Uint8Array
    ? { encoding: "base64", data: btoa(data.reduce((text, byte) => text + String.fromCharCode(byte), "")) }
    : { data };

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
