import { connect } from "/push/client.mjs";
import { state } from "/push/state.mjs";
import { Board } from "/board.js";
import { serverTime } from "/clock.js";
import { Meter } from "/meter.js";

const badge = document.querySelector("#badge");
const slow = document.querySelector("#slow");
const openButton = document.querySelector("#open");
const verdict = document.querySelector("#verdict");

const names = { websocket: "WebSocket", sse: "server-sent events" };

const now = await serverTime();
const meter = new Meter();
const board = new Board();

/** The connection of now, and what it follows. */
let push;
let prices;
let market;

/** Connects anew: over the slow network, if that is switched on. */
function use() {
  push?.close();
  push = connect(slow.checked ? "/slow/push" : "/push", meter.counting);
  push.onStatus(showStatus);
  prices = state(push, "prices");
  prices.onChange((keys) => {
    const at = now();
    for (const symbol of keys) {
      const quote = prices.get(symbol);
      if (!quote) continue; // a new connection begins with none
      meter.received(at - quote.at);
      board.set(symbol, quote);
    }
  });
  market = state(push, "market");
  market.onChange(showMarket);
}

function showStatus({ state, transport }) {
  badge.dataset.state = state;
  badge.textContent = { connecting: "connecting", online: names[transport], waiting: "offline, trying again", closed: "closed" }[state];
}

function showMarket() {
  openButton.disabled = !market.has("open");
  if (openButton.disabled) return;
  openButton.textContent = market.get("open") ? "Pause" : "Resume";
}

/** While the market is paused, says whether this page has what the server has. */
async function compare() {
  if (market.get("open") !== false) {
    verdict.hidden = true;
    verdict.textContent = "";
    return;
  }
  const theirs = Object.entries(await (await fetch("/prices.json")).json());
  const behind = theirs.filter(([symbol, { price, at }]) => prices.get(symbol)?.price !== price || prices.get(symbol).at !== at).length;
  verdict.hidden = false;
  verdict.dataset.equal = String(!behind);
  verdict.textContent = behind
    ? `The market is paused. ${behind} of ${theirs.length} values are still on their way.`
    : `The market is paused. This page shows what the server has: ${theirs.length} of ${theirs.length} values.`;
}

openButton.addEventListener("click", () => fetch("/open", { method: "POST", body: String(!market.get("open")) }));
slow.addEventListener("change", use);
setInterval(() => compare().catch(() => {}), 500); // without a server the badge says so

slow.checked = false; // a reload begins with the fast one, whatever the browser remembers
use();
