import { Centrifuge, type PublicationContext } from "centrifuge";

const centrifuge = new Centrifuge(
  [
    { transport: "websocket", endpoint: "/connection/websocket" },
    { transport: "sse", endpoint: "/connection/sse" },
  ],
  { emulationEndpoint: "/emulation" },
);
const sub = centrifuge.newSubscription("chat");
let last = 0;
let early: PublicationContext[] | undefined;

function add({ offset = 0, data }: { offset?: number; data: Line }): void {
  if (offset <= last) return;
  last = offset;
  show(data);
}

sub.on("publication", (publication) => {
  if (early) early.push(publication);
  else add(publication);
});

sub.on("subscribed", async ({ recovered }) => {
  if (recovered) return;
  early = [];
  last = 0;
  clear();
  try {
    const { publications } = await sub.history({ limit: 50, reverse: true });
    for (const publication of [...publications.reverse(), ...early]) add(publication);
    early = undefined;
  } catch {
    centrifuge.disconnect();
    centrifuge.connect();
  }
});

sub.subscribe();
centrifuge.connect();

export const say = (text: string) => sub.publish({ text }).catch((error) => failed(text, error));
