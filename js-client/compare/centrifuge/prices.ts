import { Centrifuge, type PublicationContext } from "centrifuge";

const centrifuge = new Centrifuge(
  [
    { transport: "websocket", endpoint: "/connection/websocket" },
    { transport: "sse", endpoint: "/connection/sse" },
  ],
  { emulationEndpoint: "/emulation" },
);
const sub = centrifuge.newSubscription("prices");
const prices = new Map<string, number>();
let last = 0;
let early: PublicationContext[] | undefined;

function change({ offset = 0, data: { symbol, price } }: PublicationContext): void {
  if (offset <= last) return;
  last = offset;
  if (price === undefined) prices.delete(symbol);
  else prices.set(symbol, price);
  draw(symbol, price);
}

sub.on("publication", (publication) => {
  if (early) early.push(publication);
  else change(publication);
});

sub.on("subscribed", async ({ recovered }) => {
  if (recovered) return;
  early = [];
  try {
    const { data: snapshot } = await centrifuge.rpc("prices", {});
    const now = new Map<string, number>(snapshot.prices);
    for (const symbol of prices.keys()) if (!now.has(symbol)) draw(symbol);
    for (const [symbol, price] of now) draw(symbol, price);
    prices.clear();
    for (const [symbol, price] of now) prices.set(symbol, price);
    last = snapshot.offset;
    for (const publication of early) change(publication);
    early = undefined;
  } catch {
    centrifuge.disconnect();
    centrifuge.connect();
  }
});

sub.subscribe();
centrifuge.connect();
