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
export function payload({ data, encoding }: Frame): string | Uint8Array<ArrayBuffer> {
  check(typeof data === "string");
  return encoding ? Uint8Array.from(atob(data), (byte) => byte.charCodeAt(0)) : data;
}

/** The fields of a frame that carry data. */
export const pack = (body: string | Uint8Array | object): Frame =>
  body instanceof Uint8Array
    ? { encoding: "base64", data: btoa(body.reduce((text, byte) => text + String.fromCharCode(byte), "")) }
    : { data: typeof body === "string" ? body : JSON.stringify(body) };
