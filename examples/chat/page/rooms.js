import { memory } from "/memory.js";

const starters = ["lobby", "random", "help"];
const most = 40; // an event stream has up to 50 topics
const valid = /^[a-z0-9][a-z0-9-]{0,29}$/;

/** The names of the rooms to follow: the starters and those that were joined. */
export function knownRooms() {
  return [...starters, ...joined()];
}

/** Joins a room for good; the one that was joined first makes place if there are too many. */
export function remember(name) {
  if (!knownRooms().includes(name)) memory.set("rooms", [...joined(), name].slice(starters.length - most));
}

export function forget(name) {
  memory.set("rooms", joined().filter((other) => other !== name));
}

/** Whether a room can be left. */
export function isJoined(name) {
  return !starters.includes(name);
}

/** The name of a room as near as can be to what somebody typed; undefined if nothing of it is left. */
export function roomName(typed) {
  const name = typed.toLowerCase().trim().replace(/^#/, "").replaceAll(/[\s_]+/g, "-").replaceAll(/[^a-z0-9-]/g, "").slice(0, 30);
  return valid.test(name) ? name : undefined;
}

function joined() {
  return memory.get("rooms", []).filter((name) => valid.test(name) && isJoined(name));
}
