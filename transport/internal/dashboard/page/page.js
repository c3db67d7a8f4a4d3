import { atMost, bytes, duration, number, transport } from "./format.js";
import { graph, merge } from "./graph.js";
import { follow } from "./stream.js";
import { fill, make } from "./table.js";
import { lookUp } from "./user.js";

const at = (id) => document.getElementById(id);

const graphs = [
  graph("Clients", "sessions", (p) => p.sessions, number),
  graph("Published", "published", (p) => p.published, number, { unit: "/s" }),
  graph("Delivered", "delivered", (p) => p.delivered, number, { unit: "/s" }),
  graph("Written", "written", (p) => p.written, bytes, { unit: "/s" }),
  graph("Waiting", "waiting", (p) => p.queued, bytes, { tone: (n) => (n > 50e6 ? "warn" : "") }),
  graph("Refused", "refusals", (p) => p.refused, number, { unit: "/s", tone: (n) => (n > 0 ? "bad" : "") }),
];
at("graphs").append(...graphs.map(({ element }) => element));

let points = [];
let latest; // snapshot
let paused = false;

function draw() {
  if (paused || !latest) return;
  for (const { draw } of graphs) draw(points.length > 0 ? points : [pointOfNow(latest)]);
  show(latest);
}

/** The first snapshot has no rates yet. */
const pointOfNow = (s) => ({ time: s.time, sessions: s.sessions, queued: s.queuedBytes, published: 0, delivered: 0, written: 0, refused: 0 });

/** Sets text, where it is another. */
function set(id, text, more = "") {
  const element = at(id);
  const key = `${text} ${more}`;
  if (element.dataset.text === key) return;
  element.dataset.text = key;
  element.replaceChildren(text, ...(more ? [make("small", { textContent: ` ${more}` })] : []));
}

function show(s) {
  set("instance", s.instance);
  showHealth(s.health);
  const share = s.memoryLimit > 0 ? (100 * s.memory) / s.memoryLimit : 0;
  set("memory", `${bytes(s.memory)} of ${bytes(s.memoryLimit)}`);
  at("meter").ariaValueNow = share.toFixed(1);
  at("meter").ariaValueText = at("memory").textContent;
  at("meter").dataset.tone = share > 75 ? "bad" : share > 50 ? "warn" : "";
  at("meter").firstElementChild.style.width = `${share}%`;
  set("queued", number(s.queued), bytes(s.queuedBytes));
  set("deepest", bytes(s.deepestQueue));
  set("backlog", number(s.backlog));
  set("shed", number(s.shed));
  set("topics", number(s.topics));
  set("subscriptions", number(s.subscriptions));
  set("replayed", number(s.replayed), s.rates ? `${number(s.rates.replayed)}/s` : "");
  set("gaps", number(s.gaps), s.rates ? `${number(s.rates.gaps)}/s` : "");
  set("panics", number(s.panics));
  showBroker(s.broker);
  showTables(s);
}

function showHealth({ ready, draining, reason, warnings }) {
  const many = warnings.length;
  at("health").dataset.state = draining ? "warn" : !ready ? "bad" : many > 0 ? "warn" : "good";
  const verdict = draining ? "Draining: clients are asked to reconnect elsewhere" : ready ? "Ready: new clients are welcome" : `Not ready: ${reason}`;
  set("verdict", many > 0 ? `${verdict} · ${many === 1 ? "one warning" : `${many} warnings`}` : verdict);
  at("warnings").hidden = many === 0;
  if (at("warnings").children.length !== many) at("warnings").replaceChildren(...warnings.map((text) => make("li", { textContent: text })));
}

function showBroker(b) {
  at("no-broker").hidden = Boolean(b);
  at("broker").hidden = !b;
  if (!b) return;
  set("calls", number(b.calls));
  set("trip", atMost(b.slow));
  set("lag", b.lag > 0 ? duration(b.lag) : "–");
  set("errors", number(b.errors));
  set("repairs", number(b.repairs));
}

function showTables(s) {
  const latency = (t) => ({ text: atMost(t.slow), title: `Half of them in ${atMost(t.median)}` });
  const ofTransport = (t) => ({ key: t.name, cells: [transport(t.name), number(t.sessions), number(t.delivered), bytes(t.written), latency(t)] });
  fill(at("transports"), s.transports.map(ofTransport), ["", "", "", "", "wide"]);
  for (const element of document.querySelectorAll(".recent")) element.textContent = s.recent < 1000 ? "Recent" : `In ${duration(s.recent)}`;
  const counted = ({ code, total, recent }) => ({ key: `code ${code}`, cells: [code || "client left", number(recent), number(total)] });
  fill(at("refused"), s.refused.map(counted));
  fill(at("closed"), s.closed.map(counted));
  fill(at("slowest"), s.slowest.map(slow), ["", "", "", "", "wide", "wide", "wide", "wide"]);
  fill(at("busiest"), s.busiest.map(busy), ["", "", "", "wide"]);
}

function slow(c) {
  const name = () => (c.user ? [make("button", { type: "button", className: "name", textContent: c.user, title: `Look ${c.user} up`, dataset: { user: c.user } })] : [make("small", { textContent: "anonymous" })]);
  return {
    key: c.name,
    cells: [
      { text: c.user || "anonymous", title: `Client ${c.name}`, content: name },
      bytes(c.queuedBytes),
      number(c.queued),
      c.behind > 0 ? duration(c.behind) : "–",
      number(c.topics),
      transport(c.transport),
      c.address || "–",
      duration(c.connected),
    ],
  };
}

function busy(t) {
  const name = () => [t.topic, ...(t.state ? [make("span", { className: "tag", textContent: "state" })] : [])];
  return { key: t.topic, cells: [{ text: t.topic, content: name }, number(t.messages), number(t.deliveries), number(t.followers)] };
}

at("slowest").addEventListener("click", ({ target }) => {
  const user = target.closest("[data-user]")?.dataset.user;
  if (!user) return;
  lookUp(user);
  at("user").scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth", block: "center" });
});

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").ariaPressed = String(paused);
  at("pause").textContent = paused ? "Resume" : "Pause";
  draw();
});

const names = { live: "Live", reconnecting: "Reconnecting", refused: "Refused" };
follow({
  history(more) {
    points = merge(points, more);
  },
  snapshot(s) {
    latest = s;
    if (s.rates) points = merge(points, [s.rates]);
    draw();
  },
  state(state, why) {
    at("badge").dataset.state = state;
    set("badge", why ? `${names[state]}: ${why}` : names[state]); // only if it is another, as it is read out
  },
});
