import { connect } from "/push/client.mjs";
import { Answer } from "/answer.js";
import { mine, remember } from "/mine.js";
import { show, showProblem, showStatus } from "/view.js";

const form = document.querySelector("#ask");
const question = document.querySelector("#ask-text");
const transport = document.querySelector("#transport");
const stop = document.querySelector("#stop");
const link = document.querySelector("#link");

/** The connection of now, and the answer that the URL names. */
let push;
let answer;
let frame;

/** Connects over another transport. The answer goes on from where it is. */
function use() {
  const old = push;
  push = connect("/push", { transports: [transport.value] });
  push.onStatus(showStatus);
  answer?.follow(push);
  old?.close();
}

function open() {
  answer?.close();
  const [, id] = location.pathname.match(/^\/answers\/(\w+)$/) ?? [];
  answer = id && new Answer(id, changed);
  answer?.follow(push);
  changed();
}

/** Shows what has changed, once for each picture that the screen gets. */
function changed() {
  frame ??= requestAnimationFrame(() => {
    frame = undefined;
    show(answer, answer && mine(answer.id));
  });
}

/** Posts, and gives the answer, or shows why there is none. */
async function post(path, body) {
  try {
    const response = await fetch(path, { method: "POST", body: body && JSON.stringify(body) });
    const text = await response.text();
    showProblem(response.ok ? "" : /^{/.test(text) ? JSON.parse(text).reason : text);
    return response.ok ? text : undefined;
  } catch {
    showProblem("The server can't be reached. Please try again.");
    return undefined;
  }
}

async function ask(text) {
  const asked = await post("/answers", { question: text });
  if (!asked) return;
  const { id } = JSON.parse(asked);
  remember(id);
  question.value = "";
  history.pushState(undefined, "", `/answers/${id}`);
  open();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(question.value);
});
for (const sample of document.querySelectorAll(".sample")) sample.addEventListener("click", () => ask(sample.textContent));
stop.addEventListener("click", () => post(`/answers/${answer.id}/stop`));
link.addEventListener("click", async () => {
  await navigator.clipboard?.writeText(location.href); // there is none without https, but the URL above can be copied
  link.textContent = "Copied";
  setTimeout(() => (link.textContent = "Copy link"), 1500);
});
transport.addEventListener("change", use);
addEventListener("popstate", open);
addEventListener("pagehide", () => answer?.save());

use();
open();
