const kept = 200; // events at most
const preview = 500; // characters of a message
const quota = 65536; // what getRandomValues fills at once

const find = (id) => document.getElementById(id);
const states = ["CONNECTING", "OPEN", "CLOSING", "CLOSED"];
const badges = [
  ["busy", "connecting"],
  ["open", "connected"],
  ["busy", "closing"],
  ["closed", "not connected"],
];

/** The latest connection; null before the first. */
let socket = null;

/** When each message that hasn't come back was sent. The echo keeps the order. */
let sent = [];

const ends = { "https:": "wss:", "http:": "ws:" };
find("url").value = `${ends[location.protocol]}//${location.host}/echo`;

find("connect").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(connect);
});
find("text").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = find("message").value;
  attempt(() => send(text, `text, ${count(new TextEncoder().encode(text).length)}`, text));
});
find("binary").addEventListener("submit", (event) => {
  event.preventDefault();
  const bytes = randomBytes(find("size").valueAsNumber);
  attempt(() => send(bytes, `binary, ${count(bytes.length)}`, hex(bytes)));
});
find("close").addEventListener("submit", (event) => {
  event.preventDefault();
  const code = find("code").value;
  const reason = find("reason").value;
  attempt(() => {
    if (code === "") socket.close();
    else socket.close(Number(code), reason);
    add("sent", "close()", code === "" ? "no code" : [code, reason].filter(Boolean).join(" "));
  });
});
find("clear").addEventListener("click", () => {
  find("events").replaceChildren();
  find("empty").hidden = false;
});

function connect() {
  if (socket && socket.readyState < WebSocket.CLOSING) {
    socket.close(1000);
    return;
  }
  const ws = new WebSocket(find("url").value);
  ws.binaryType = "arraybuffer";
  socket = ws;
  sent = [];
  ws.addEventListener("open", () => add("open", "open", ws.extensions || "no extensions"));
  ws.addEventListener("error", () => add("error", "error", "Browsers don't say why."));
  ws.addEventListener("close", (e) => {
    const clean = e.wasClean ? "clean" : "not clean";
    add("close", "close", [e.code, clean, e.reason].filter(Boolean).join(", "));
  });
  ws.addEventListener("message", ({ data }) => {
    const trip = performance.now() - sent.shift();
    if (ws === socket && trip >= 0) find("roundtrip").textContent = `${trip.toFixed(1)} ms`;
    if (typeof data === "string") {
      add("message", "message", data, `text, ${count(new TextEncoder().encode(data).length)}`);
    } else {
      add("message", "message", hex(new Uint8Array(data)), `binary, ${count(data.byteLength)}`);
    }
  });
}

function send(data, what, shown) {
  sent.push(performance.now());
  socket.send(data);
  add("sent", "send()", shown, what);
}

/** Shows what a browser refuses at once: a bad address, code or reason. */
function attempt(act) {
  const problem = find("problem");
  problem.hidden = true;
  try {
    act();
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
  show();
}

function randomBytes(length) {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += quota) crypto.getRandomValues(bytes.subarray(at, at + quota));
  return bytes;
}

const count = (n) => (n === 1 ? "1 byte" : `${n.toLocaleString("en")} bytes`);

function hex(bytes) {
  const head = Array.from(bytes.subarray(0, 24), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 24 ? `${head} …` : head;
}

function add(kind, title, body, detail = "") {
  const name = document.createElement("b");
  name.textContent = title;
  const more = document.createElement("span");
  more.textContent = detail;
  const time = document.createElement("time");
  const now = new Date();
  time.dateTime = now.toISOString();
  time.textContent = `${now.toLocaleTimeString("en-GB")}.${String(now.getMilliseconds()).padStart(3, "0")}`;
  const header = document.createElement("header");
  header.append(name, more, time);
  const text = document.createElement("pre");
  const whole = String(body);
  text.textContent = whole.length > preview ? `${whole.slice(0, preview)}…` : whole;
  const item = document.createElement("li");
  item.dataset.kind = kind;
  item.append(header, text);

  const events = find("events");
  events.prepend(item);
  while (events.childElementCount > kept) events.lastElementChild.remove();
  find("empty").hidden = true;
  show();
}

/** Shows the state; bufferedAmount has no event, so it is also read each frame. */
function show() {
  if (!socket) return;
  const { readyState, bufferedAmount, extensions } = socket;
  write(find("readyState"), `${readyState} ${states[readyState]}`);
  write(find("bufferedAmount"), bufferedAmount.toLocaleString("en"));
  write(find("extensions"), extensions || "none");
  const [state, label] = badges[readyState];
  find("badge").dataset.state = state;
  write(find("badge"), label);
  write(find("connect").querySelector("button"), readyState < 2 ? "Disconnect" : "Connect");
  for (const id of ["text", "binary", "close"]) {
    find(id).querySelector("button").disabled = readyState !== WebSocket.OPEN;
  }
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function watch() {
  show();
  requestAnimationFrame(watch);
}
watch();
