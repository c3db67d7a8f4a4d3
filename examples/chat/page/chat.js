import { Badge } from "/badge.js";
import { Composer } from "/composer.js";
import { Connection } from "/connection.js";
import { introduce } from "/me.js";
import { memory } from "/memory.js";
import { Name } from "/name.js";
import { isOwn } from "/own.js";
import { People } from "/people.js";
import { Room } from "/room.js";
import { forget, knownRooms, remember, roomName } from "/rooms.js";
import { Sidebar } from "/sidebar.js";
import { Timeline } from "/timeline.js";

const title = document.querySelector("#room");
const notice = document.querySelector("#notice");
const join = document.querySelector("#join");
const joinName = document.querySelector("#join-name");
const onlySSE = document.querySelector("#only-sse");
const withKeyboard = matchMedia("(pointer: fine)"); // elsewhere a focus would open one on the screen

/** The rooms that are followed, by name. */
const rooms = new Map();
/** The one that is open. */
let open;
let timer;
let introduced = Promise.resolve();

onlySSE.checked = memory.get("onlySSE", false);
const badge = new Badge(() => connection.push.reconnect());
const connection = new Connection((status) => badge.show(status));
const people = new People();
const sidebar = new Sidebar(leave);
const timeline = new Timeline(seen);
const name = new Name(rename);
const composer = new Composer(
  (text) => {
    open.send(name.value, text);
    timeline.toEnd();
    seen();
  },
  (draft) => {
    open.draft = draft;
    if (draft.trim()) open.typing();
  },
);

function enter(...names) {
  const entered = names.map((each) => new Room(each, connection, changed));
  for (const room of entered) rooms.set(room.name, room);
  for (const room of entered) room.follow();
}

/** Continues on another connection, with other transports or another name. */
function reconnect() {
  connection.use(onlySSE.checked, () => {
    for (const room of rooms.values()) room.follow();
    if (open) people.follow(connection.push, open);
  });
}

/** Makes the name of now the one that others see. */
function rename() {
  if (open) hint();
  introduced = introduced.then(async () => {
    people.self = await introduce(name.value);
    reconnect();
  });
  return introduced;
}

function leave(left) {
  rooms.get(left).leave();
  rooms.delete(left);
  forget(left);
  if (open.name === left) go("lobby");
  else show();
}

/** Opens a room, and enters it first if need be. */
function go(to, how = "pushState") {
  remember(to);
  if (!rooms.has(to)) enter(to);
  open = rooms.get(to);
  people.follow(connection.push, open);
  memory.set("room", to);
  if (location.pathname !== `/room/${to}`) history[how](undefined, "", `/room/${to}`);
  sidebar.close();
  composer.show(open.draft);
  hint();
  timeline.toEnd();
  show();
  timeline.toEnd();
  seen();
  if (withKeyboard.matches) composer.focus();
}

/** Shows the room that the URL names, or else the one that was open last. */
function goToURL() {
  const [, named] = location.pathname.match(/^\/room\/([^/]+)$/) ?? [];
  go(roomName(named ?? memory.get("room", "")) ?? "lobby", "replaceState");
}

function changed(room, message) {
  const inSight = room === open && timeline.atEnd && !document.hidden;
  if (message && !inSight && !isOwn(message.id)) room.unread++;
  // Once for all the messages of a replay.
  timer ??= setTimeout(() => {
    timer = undefined;
    show();
  });
}

/** The reader sees the newest message of the open room. */
function seen() {
  if (document.hidden || !timeline.atEnd) return;
  open.unread = 0;
  show();
}

function show() {
  if (!open) return;
  const all = [...rooms.values()];
  const unread = all.reduce((sum, room) => sum + room.unread, 0);
  document.title = `${unread ? `(${unread}) ` : ""}${open.name} · Tidewire chat`;
  title.textContent = open.name;
  notice.hidden = !open.notice;
  notice.firstElementChild.textContent = open.notice;
  sidebar.show(all, open);
  timeline.show(open);
}

function hint() {
  composer.hint(`Message ${open.name} as ${name.value}`);
}

document.querySelector("#rooms").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // those open another tab or window
  event.preventDefault();
  go(link.dataset.room);
});
join.addEventListener("submit", (event) => {
  event.preventDefault();
  const to = roomName(joinName.value);
  joinName.setCustomValidity(to ? "" : "Letters from a to z, digits and hyphens make a room's name.");
  if (!joinName.reportValidity()) return;
  joinName.value = "";
  go(to);
});
joinName.addEventListener("input", () => joinName.setCustomValidity(""));
onlySSE.addEventListener("change", () => {
  memory.set("onlySSE", onlySSE.checked);
  reconnect();
});
notice.querySelector("button").addEventListener("click", () => open.notify(""));
document.addEventListener("visibilitychange", seen);
addEventListener("popstate", goToURL);

await rename();
enter(...knownRooms());
goToURL();
