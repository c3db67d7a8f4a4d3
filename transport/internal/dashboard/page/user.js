// The connections of one user.
import { bytes, duration, number, transport } from "./format.js";
import { fill, make } from "./table.js";

const at = (id) => document.getElementById(id);

function say(text, state = "") {
  at("answer").textContent = text;
  at("answer").dataset.state = state;
}

/** Asks for a user, and shows what comes. */
export async function lookUp(name) {
  at("name").value = name;
  say("Looking …");
  try {
    const response = await fetch(`user?name=${encodeURIComponent(name)}`);
    if (!response.ok) throw new Error((await response.text()) || `status ${response.status}`);
    show(await response.json());
  } catch (error) {
    at("connections").replaceChildren();
    say(`That didn't work: ${error.message}`, "bad");
  }
}

function show({ user, connections, clients }) {
  const now = new Date().toLocaleTimeString();
  const more = connections > clients.length ? `, of which ${clients.length} are below` : "";
  say(connections === 0 ? `No connection of ${user} here, at ${now}` : `${connections === 1 ? "One connection" : `${connections} connections`} of ${user} here${more}, at ${now}`);
  at("connections").replaceChildren(...clients.map(connection));
}

function connection(client) {
  const facts = [
    client.address,
    `connected for ${duration(client.connected)}`,
    `${number(client.topics)} ${client.topics === 1 ? "topic" : "topics"}`,
    `${bytes(client.written)} written`,
    client.queued === 0 ? "nothing waits" : `${number(client.queued)} frames wait, ${bytes(client.queuedBytes)}`,
  ];
  const table = make("table");
  const head = make("tr");
  for (const title of ["Topic", "Offset", "Newest", "Waiting", "Bytes"]) {
    head.append(make("th", { scope: "col", textContent: title, className: title === "Bytes" ? "wide" : "" }));
  }
  table.append(make("thead", {}, head), make("tbody"));
  fill(table, client.follows.map(follow), ["", "", "", "", "wide"]);
  return make(
    "section",
    { className: "connection", dataset: { testid: "connection" } },
    make("h3", { title: `Client ${client.name}` }, transport(client.transport), ...facts.filter(Boolean).map((fact) => make("span", { textContent: fact }))),
    table,
  );
}

function follow({ topic, state, phase, offset, head, lacking, queued, queuedBytes }) {
  const where = phase === "lagging" ? `lacks ${number(lacking)} keys` : number(offset);
  const tags = () => [topic, ...(state ? [make("span", { className: "tag", textContent: "state" })] : []), make("span", { className: "tag", textContent: phase, dataset: { phase } })];
  return { key: topic, cells: [{ text: `${topic} ${phase}`, title: topic, content: tags }, where, number(head), number(queued), bytes(queuedBytes)] };
}

at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  lookUp(at("name").value);
});
