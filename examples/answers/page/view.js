const badge = document.querySelector("#badge");
const empty = document.querySelector("#empty");
const article = document.querySelector("#answer");
const question = document.querySelector("#question");
const text = document.querySelector("#text").appendChild(document.createTextNode(""));
const end = document.querySelector("#end");
const stop = document.querySelector("#stop");
const received = document.querySelector("#received");
const problem = document.querySelector("#problem");

const nearEnd = 60; // pixels that still count as the end
const number = new Intl.NumberFormat("en");
const connection = { connecting: "connecting", online: "live", waiting: "offline", closed: "closed" };
const ends = { loading: "Loading …", missing: "", open: "Writing …", done: "Done", stopped: "Stopped", failed: "Failed" };

export function showStatus({ state, error }) {
  badge.dataset.state = state;
  badge.textContent = connection[state];
  badge.title = error?.message ?? "";
}

export function showProblem(words) {
  problem.hidden = !words;
  problem.textContent = words;
}

/** Shows an answer, or none. `own` says that this browser has asked. */
export function show(answer, own) {
  empty.hidden = Boolean(answer);
  article.hidden = !answer;
  if (!answer) return;
  const page = document.scrollingElement;
  const atEnd = page.scrollHeight - page.scrollTop - page.clientHeight < nearEnd;
  const { state, reason } = answer.status;
  question.textContent = answer.question;
  document.title = `${answer.question || "Answer"} · Tidewire answers`;
  if (text.data !== answer.text) text.data = answer.text;
  article.dataset.state = state;
  end.textContent = [ends[state], reason].filter(Boolean).join(": ");
  stop.hidden = state !== "open" || !own;
  const { characters, pieces, kept } = answer.received;
  Object.assign(received.dataset, { characters, pieces, kept });
  received.textContent =
    (kept ? `${number.format(kept)} characters were here when the page was loaded. ` : "") +
    `${number.format(characters)} ${kept ? "came since" : "characters came"}, in ${number.format(pieces)} ${pieces === 1 ? "piece" : "pieces"}.`;
  if (atEnd && state === "open") page.scrollTop = page.scrollHeight;
}
