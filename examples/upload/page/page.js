import { connect } from "/push/client.mjs";
import { state } from "/push/state.mjs";
import { Card } from "/card.js";
import { Feed } from "/feed.js";
import { load, save } from "/shelf.js";

const badge = document.querySelector("#badge");
const drop = document.querySelector("#drop");
const choose = document.querySelector("#choose");
const files = document.querySelector("#files");
const slow = document.querySelector("#slow");

const names = { websocket: "WebSocket", sse: "server-sent events", poll: "polls" };

const cards = [];
const route = () => (slow.checked ? "/slow/uploads" : "/uploads");

function add(entry) {
  const card = new Card(entry, route);
  cards.push(card);
  files.prepend(card.element);
  if (!entry.paused) card.start();
}

function take(list) {
  for (const file of list) {
    const entry = { id: `${Date.now()}-${cards.length}`, file, url: undefined, sent: 0, paused: false };
    save(entry);
    add(entry);
  }
}

choose.addEventListener("change", () => {
  take(choose.files);
  choose.value = "";
});
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.dataset.over = "";
});
for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => delete drop.dataset.over);
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  take(event.dataTransfer.files);
});
slow.addEventListener("change", () => {
  for (const card of cards) card.restart();
});

slow.checked = false; // a reload begins with the fast one, whatever the browser remembers

const push = connect("/push");
push.onStatus(({ state, transport }) => {
  badge.dataset.state = state;
  badge.textContent = { online: names[transport], waiting: "offline, trying again", closed: "closed" }[state] ?? "connecting";
});
const uploads = state(push, "uploads");
const feed = new Feed();
uploads.onChange((keys) => feed.change(keys, uploads));

for (const entry of await load()) add(entry);
