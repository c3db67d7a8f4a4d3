import { HubConnectionBuilder } from "@microsoft/signalr";

const connection = new HubConnectionBuilder()
  .withUrl("/hub")
  .withStatefulReconnect()
  .withAutomaticReconnect({ nextRetryDelayInMilliseconds: wait })
  .build();
const prices = new Map<string, number>();

type Change = [symbol: string, price: number | undefined, version: number];
let version = 0;
let early: Change[] | undefined;

function wait({ previousRetryCount }: { previousRetryCount: number }): number {
  return Math.random() * Math.min(30_000, 500 * 2 ** previousRetryCount);
}

function change([symbol, price, at]: Change): void {
  if (at <= version) return;
  version = at;
  if (price === undefined) prices.delete(symbol);
  else prices.set(symbol, price);
  draw(symbol, price);
}

connection.on("change", (...one: Change) => {
  if (early) early.push(one);
  else change(one);
});

async function follow(): Promise<void> {
  early = [];
  try {
    const snapshot = await connection.invoke("Follow", "prices");
    const now = new Map<string, number>(snapshot.prices);
    for (const symbol of prices.keys()) if (!now.has(symbol)) draw(symbol);
    for (const [symbol, price] of now) draw(symbol, price);
    prices.clear();
    for (const [symbol, price] of now) prices.set(symbol, price);
    version = snapshot.version;
    for (const one of early) change(one);
    early = undefined;
  } catch {
    await connection.stop();
  }
}

async function start(previousRetryCount = 0): Promise<void> {
  try {
    await connection.start();
  } catch {
    setTimeout(start, wait({ previousRetryCount }), previousRetryCount + 1);
    return;
  }
  await follow();
}

connection.onreconnected(follow);
connection.onclose(() => start());
start();
