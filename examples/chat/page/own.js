import { memory } from "/memory.js";

const most = 500;
const ids = new Set(memory.get("own", []));

/** Makes the id of a message of one's own. What is sent again under the same id is stored once. */
export function newId() {
  // Not crypto.randomUUID, which is missing without https.
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  ids.add(id);
  memory.set("own", [...ids].slice(-most));
  return id;
}

/** Names prove nothing here, so one's own messages are known by the ids that this browser made. */
export function isOwn(id) {
  return ids.has(id);
}
