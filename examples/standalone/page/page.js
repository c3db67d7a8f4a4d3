import { connect } from "/push/client.mjs";
import { commands } from "/commands.js";

const shown = 100; // messages at most

const form = document.querySelector("#follow");
const topic = document.querySelector("#topic");
const button = form.querySelector("button");
const badge = document.querySelector(".badge");
const messages = document.querySelector("#messages");
const empty = document.querySelector("#empty");
const problem = document.querySelector("#problem");
const announcer = document.querySelector("#announcer");

const names = { websocket: "WebSocket", sse: "server-sent events" };

/** The connection while a topic is followed. */
let push;

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (push) stop();
  else start(topic.value.trim());
});

topic.addEventListener("input", () => {
  if (push) stop();
  write();
});

function start(name) {
  messages.replaceChildren();
  empty.hidden = false;
  problem.hidden = true;
  button.textContent = "Stop";
  push = connect("/push");
  push.onStatus(show);
  push.subscribe(name, {
    message(message) {
      add("message", textOf(message.data), message.event, message.id, timeElement(message.time ?? Date.now()));
      write(message.cursor);
    },
    gap(gap) {
      add("gap", "Some messages were missed here.", gap.reason);
    },
    error(error) {
      problem.textContent = error.message;
      problem.hidden = false;
      if (error.retry === "never") stop();
    },
  });
}

function stop() {
  const ended = push;
  push = undefined;
  ended.close();
  button.textContent = "Follow";
}

function show({ state, transport, error }) {
  badge.dataset.state = state;
  badge.textContent =
    state === "online" ? names[transport] : state === "closed" ? "not following" : state === "waiting" ? "offline, trying again" : "connecting";
  if (state === "closed" && error) {
    problem.textContent = error.message;
    problem.hidden = false;
    if (push) stop();
  }
}

/** Adds to the list, the newest on top. */
function add(kind, text, ...facts) {
  empty.hidden = true;
  const item = document.createElement("li");
  item.className = kind;
  item.dataset.testid = kind;
  const head = document.createElement("header");
  for (const fact of facts.filter(Boolean)) {
    head.append(fact instanceof Node ? fact : Object.assign(document.createElement("span"), { textContent: fact }));
  }
  item.append(head, Object.assign(document.createElement("pre"), { textContent: text }));
  messages.prepend(item);
  while (messages.childElementCount > shown) messages.lastElementChild.remove();
}

/** Text as it is, JSON as JSON, and of bytes how many they are. */
function textOf(data) {
  if (typeof data === "string") return data;
  return data instanceof Uint8Array ? `${data.length} bytes` : JSON.stringify(data);
}

function timeElement(time) {
  const date = new Date(time);
  return Object.assign(document.createElement("time"), {
    dateTime: date.toISOString(),
    textContent: date.toLocaleTimeString(),
  });
}

/** Writes the commands for the topic, and the place it has come to. */
function write(cursor) {
  for (const [name, text] of Object.entries(commands(location.origin, topic.value.trim(), cursor))) {
    document.querySelector(`[data-command="${name}"]`).textContent = text;
  }
}

for (const copy of document.querySelectorAll("[data-copy]")) {
  const code = document.querySelector(`[data-command="${copy.dataset.copy}"]`);
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      announcer.textContent = copy.textContent = "Copied";
      setTimeout(() => (announcer.textContent = ""), 1500);
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    } catch {
      getSelection().selectAllChildren(code); // no clipboard without https: Ctrl+C does it
    }
  });
}

write();
