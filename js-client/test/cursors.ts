import { createHash } from "node:crypto";

/** How many characters of a cursor stay the same from one message to the next. */
export const constant = 21;

/** The cursor of a topic at an offset, as the server writes it. Each offset has a tag of its own. */
export function cursorAt(offset: number, topic = "a", epoch = "9f8a6c21d0e4b735", tag = offset * 0x01010101): string {
  const hash = createHash("sha256").update(topic).digest().subarray(0, 7);
  const fixed = Buffer.alloc(12);
  fixed.writeBigUInt64BE(BigInt(`0x${epoch}`));
  fixed.writeUInt32BE(tag % 2 ** 32, 8);
  const varint: number[] = [];
  let rest = offset;
  for (; rest > 127; rest = Math.floor(rest / 128)) varint.push(128 + (rest % 128));
  varint.push(rest);
  return `1${Buffer.concat([hash, fixed, Buffer.from(varint)]).toString("base64url")}`;
}
