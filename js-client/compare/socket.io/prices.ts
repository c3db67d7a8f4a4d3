import { io } from "socket.io-client";

type Change = [symbol: string, price: number | undefined, version: number];

const socket = io();
const prices = new Map<string, number>();
let version = 0;
let early: Change[] | undefined;

function change([symbol, price, at]: Change): void {
  if (at <= version) return;
  version = at;
  if (price === undefined) prices.delete(symbol);
  else prices.set(symbol, price);
  draw(symbol, price);
}

socket.on("change", (...one: Change) => {
  if (early) early.push(one);
  else change(one);
});

socket.on("connect", async () => {
  if (socket.recovered) return;
  early = [];
  try {
    const snapshot = await socket.timeout(10_000).emitWithAck("follow", "prices");
    const now = new Map<string, number>(snapshot.prices);
    for (const symbol of prices.keys()) if (!now.has(symbol)) draw(symbol);
    for (const [symbol, price] of now) draw(symbol, price);
    prices.clear();
    for (const [symbol, price] of now) prices.set(symbol, price);
    version = snapshot.version;
    for (const one of early) change(one);
    early = undefined;
  } catch {
    socket.disconnect().connect();
  }
});

socket.on("disconnect", (reason) => {
  if (reason === "io server disconnect") socket.connect();
});
