// The connections of one user.
import { bytes, duration, number, transport } from "./format.js";
import { fill, make } from "./table.js";

const at = (id) => document.getElementById(id);

function say(parts, state = "") {
  at("answer").replaceChildren(...parts);
  at("answer").dataset.state = state;
}

let asked = 0; // lookups, of which only the last is shown

/** Asks for a user, and shows what comes. */
export async function lookUp(name) {
  asked += 1;
  const mine = asked;
  at("name").value = name;
  say(["Looking …"]);
  try {
    const response = await fetch(`user?name=${encodeURIComponent(name)}`);
    if (!response.ok) throw new Error((await response.text()) || `status ${response.status}`);
    const answer = await response.json();
    if (mine === asked) show(answer);
  } catch (error) {
    if (mine !== asked) return;
    at("connections").replaceChildren();
    say([`That didn't work: ${error.message}`], "bad");
  }
}

function show({ user, connections, clients }) {
  const now = new Date().toLocaleTimeString();
  const more = connections > clients.length ? `, of which ${clients.length} are below` : "";
  const many = connections === 0 ? "No connection" : connections === 1 ? "One connection" : `${connections} connections`;
  say([`${many} of `, make("bdi", { textContent: user }), ` here${more}, at ${now}`]); // a name may turn the direction of text
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
